/* test_target.c - what target.h promises: every URL of an engine as one shape, and a sentence for what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "target.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- helpers --------------------------------------------------------------------------------- */

static struct target target;
static struct target targets[TARGETS_MAX];
static char error[256];
static char folder[64];

/* Reads a copy that lies on the heap, so that the sanitizer sees a read beyond it. */
static bool read_url(const char *url, bool tls_verify)
{
	char *copy = strdup(url);
	int result;

	assert_non_null(copy);
	memset(&target, 0xA5, sizeof(target));
	error[0] = 0;
	result = target_read(&target, copy, tls_verify, "DOCKER_HOST", error, sizeof(error));
	free(copy);
	assert_in_range(result + 1, 0, 1);
	return !result;
}

static void assert_refused(const char *url, bool tls_verify, const char *words)
{
	if (read_url(url, tls_verify))
		fail_msg("'%s' was taken as %s", url, target.url);
	if (!strstr(error, words))
		fail_msg("'%s' gave: %s", url, error);
	if (strncmp(error, "DOCKER_HOST is '", 16))
		fail_msg("'%s' is not named: %s", url, error);
}

static struct settings settings;

/* Nothing is set but the name that the one engine has without a setting. */
static int begin(void **state)
{
	(void)state;
	settings = (struct settings){.docker_host = "",
	    .docker_sock = "",
	    .hosts = "",
	    .host_name = "local",
	    .cert_path = "/certs"};
	strcpy(folder, "/tmp/autoheal-target-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int find(void)
{
	memset(targets, 0xA5, sizeof(targets));
	error[0] = 0;
	return target_find(targets, &settings, folder, error, sizeof(error));
}

static int find_hosts(const char *hosts)
{
	char *copy = strdup(hosts);
	int count;

	assert_non_null(copy);
	settings.hosts = copy;
	count = find();
	settings.hosts = "";
	free(copy);
	return count;
}

static void assert_hosts_refused(const char *hosts, const char *words)
{
	int count = find_hosts(hosts);

	if (count >= 0)
		fail_msg("'%s' was taken as %d engines", hosts, count);
	if (!strstr(error, words))
		fail_msg("'%s' gave: %s", hosts, error);
	if (!strstr(error, "AUTOHEAL_HOSTS"))
		fail_msg("'%s' does not name the setting: %s", hosts, error);
}

/* ---- one URL --------------------------------------------------------------------------------- */

static void test_sockets(void **state)
{
	static const struct {
		const char *url, *place;
	} rows[] = {
	    {"unix:///var/run/docker.sock", "/var/run/docker.sock"},
	    {"/var/run/docker.sock", "/var/run/docker.sock"},
	    {"unix://relative.sock", "relative.sock"},
	    {"unix://@abstract", "@abstract"},
	    {"unix:///with space/and=sign", "/with space/and=sign"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* TLS is for the network alone, whatever is asked for */
		for (int verify = 0; verify < 2; verify++) {
			char url[128];

			assert_true(read_url(rows[i].url, verify));
			assert_true(target.local);
			assert_false(target.tls);
			assert_int_equal(target.port, 0);
			assert_string_equal(target.place, rows[i].place);
			snprintf(url, sizeof(url), "unix://%s", rows[i].place);
			assert_string_equal(target.url, url);
			assert_string_equal(target.name, "");
			assert_false(target.own_folder);
		}
	}
}

static void test_hosts_and_ports(void **state)
{
	static const struct {
		const char *url, *place;
		uint16_t port;
		bool verify, tls, willfarrell;
		const char *shown;
	} rows[] = {
	    {"tcp://10.0.0.5:2375", "10.0.0.5", 2375, false, false, false, "tcp://10.0.0.5:2375"},
	    {"tcp://nas", "nas", 2375, false, false, false, "tcp://nas:2375"},
	    {"tcp://nas/", "nas", 2375, false, false, false, "tcp://nas:2375"},
	    {"tcp://nas:0", "nas", 2375, false, false, false, "tcp://nas:2375"},
	    {"http://nas:80", "nas", 80, false, false, false, "tcp://nas:80"},
	    {"http://nas", "nas", 2375, false, false, false, "tcp://nas:2375"},
	    {"https://nas", "nas", 2376, false, true, false, "https://nas:2376"},
	    {"https://nas:443/", "nas", 443, false, true, false, "https://nas:443"},
	    {"https://nas", "nas", 2376, true, true, false, "https://nas:2376"},
	    {"tcps://nas", "nas", 2376, false, true, true, "tcps://nas:2376"},
	    {"tcps://nas:1", "nas", 1, true, true, true, "tcps://nas:1"},
	    {"tcp://nas", "nas", 2376, true, true, false, "tcp://nas:2376"},
	    {"tcp://nas:2375", "nas", 2375, true, true, false, "tcp://nas:2375"},
	    {"tcp://[::1]:2375", "::1", 2375, false, false, false, "tcp://[::1]:2375"},
	    {"tcp://[2001:db8::7]", "2001:db8::7", 2375, false, false, false,
		"tcp://[2001:db8::7]:2375"},
	    {"https://[fe80::1%eth0]", "fe80::1%eth0", 2376, false, true, false,
		"https://[fe80::1%eth0]:2376"},
	    {"tcp://a_b-c.example.org:65535", "a_b-c.example.org", 65535, false, false, false,
		"tcp://a_b-c.example.org:65535"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!read_url(rows[i].url, rows[i].verify))
			fail_msg("'%s' was refused: %s", rows[i].url, error);
		assert_false(target.local);
		assert_string_equal(target.place, rows[i].place);
		assert_int_equal(target.port, rows[i].port);
		assert_int_equal(target.tls, rows[i].tls);
		assert_int_equal(target.willfarrell_names, rows[i].willfarrell);
		assert_string_equal(target.url, rows[i].shown);
	}
}

static void test_what_is_no_engine(void **state)
{
	static const struct {
		const char *url, *words;
	} rows[] = {
	    {"", "must be unix://PATH"},
	    {"nas", "must be unix://PATH"},
	    {"nas:2375", "must be unix://PATH"},
	    {"ftp://nas", "must be unix://PATH"},
	    {"TCP://nas", "must be unix://PATH"},
	    {"tcp:/nas", "must be unix://PATH"},
	    {"ssh://root@nas", "forward the socket"},
	    {"npipe:////./pipe/docker_engine", "named pipes are for Windows"},
	    {"unix://", "1 to 107 bytes"},
	    {"tcp://", "must name a host"},
	    {"tcp://:2375", "must name a host"},
	    {"tcp://nas:", "must name a host"},
	    {"tcp://nas:x", "must name a host"},
	    {"tcp://nas:65536", "must name a host"},
	    {"tcp://nas:-1", "must name a host"},
	    {"tcp://::1", "must name a host"},
	    {"tcp://[::1", "must name a host"},
	    {"tcp://[]:2375", "must name a host"},
	    {"tcp://[::1]2375", "must name a host"},
	    {"tcp://root@nas:2375", "must name a host"},
	    {"tcp://root:secret@nas:2375", "must name a host"},
	    {"tcp://na s:2375", "must name a host"},
	    {"tcp://nas?x=1", "must name a host"},
	    {"tcp://nas:2375/docker", "nothing may follow the port"},
	    {"https://nas/docker/", "nothing may follow the port"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(rows[i].url, false, rows[i].words);
}

static void test_plain_http_and_tls_verify_contradict_each_other(void **state)
{
	(void)state;
	assert_refused("http://nas", true, "DOCKER_TLS_VERIFY asks for TLS");
	assert_true(read_url("http://nas", false));
}

static void test_a_url_cannot_smuggle_lines_into_a_request(void **state)
{
	(void)state;
	assert_refused("tcp://nas\r\nX-Evil: 1:2375", false, "must name a host");
	assert_refused("tcp://nas\n", false, "must name a host");
	assert_refused("tcp://[::1\r\n]:2375", false, "must name a host");
	assert_null(strpbrk(error, "\r\n")); /* nor into the log */
}

static void test_long_urls_fit_or_are_refused(void **state)
{
	char url[600] = "tcp://";
	size_t longest = 0;

	(void)state;
	for (size_t n = 1; n < 500; n++) {
		memset(url + 6, 'a', n);
		strcpy(url + 6 + n, ":65535");
		if (!read_url(url, true)) {
			assert_non_null(strstr(error, "must name a host"));
			continue;
		}
		assert_int_equal(longest + 1, n);
		longest = n;
		assert_int_equal(strlen(target.place), n);
		assert_string_equal(target.url, url); /* nothing of it was cut */
	}
	assert_true(longest > 200);
	strcpy(url, "unix:///");
	for (size_t n = 1; n < 500; n++) {
		memset(url + 8, 'a', n);
		url[8 + n] = 0;
		assert_int_equal(read_url(url, false), n + 1 <= 107);
	}
}

static void test_any_bytes_do_no_harm(void **state)
{
	static const char *const samples[] = {"unix:///var/run/docker.sock", "tcp://10.0.0.5:2375",
	    "https://[2001:db8::7]:2376/", "tcps://nas", "nas=tcp://a:1,b=unix:///x"};
	char changed[64];

	(void)state;
	for (size_t s = 0; s < COUNT(samples); s++) {
		for (size_t at = 0; at < strlen(samples[s]); at++) {
			for (int byte = 0; byte < 256; byte++) {
				strcpy(changed, samples[s]);
				changed[at] = (char)byte;
				if (read_url(changed, byte & 1))
					assert_null(
					    strpbrk(target.local ? "" : target.url, "\r\n \t\"\\@"));
				find_hosts(changed);
			}
		}
	}
}

/* ---- AUTOHEAL_HOSTS -------------------------------------------------------------------------- */

static void test_several_engines(void **state)
{
	(void)state;
	assert_int_equal(find_hosts(" nas=tcp://10.0.0.5:2375 ,, local=unix:///var/run/docker.sock,"
				    "Cloud-1_a.b = https://cloud ,\tbare=/run/x.sock"),
	    4);
	assert_string_equal(targets[0].name, "nas");
	assert_string_equal(targets[0].url, "tcp://10.0.0.5:2375");
	assert_string_equal(targets[1].name, "local");
	assert_true(targets[1].local);
	assert_string_equal(targets[2].name, "Cloud-1_a.b");
	assert_true(targets[2].tls);
	assert_string_equal(targets[3].url, "unix:///run/x.sock");
	for (int i = 0; i < 4; i++)
		assert_true(targets[i].own_folder);
}

static void test_several_engines_come_in_place_of_the_one(void **state)
{
	(void)state;
	settings.docker_host = "ssh://nonsense";
	settings.docker_sock = "nonsense, too";
	settings.host_name = "not a name";
	assert_int_equal(find_hosts("nas=tcp://nas"), 1);
	assert_string_equal(targets[0].name, "nas");
}

static void test_tls_verify_is_for_all_of_them(void **state)
{
	(void)state;
	settings.tls_verify = true;
	assert_int_equal(find_hosts("a=tcp://a,b=unix:///b,c=tcps://c"), 3);
	assert_true(targets[0].tls && !targets[1].tls && targets[2].tls);
	assert_int_equal(targets[0].port, TARGET_PORT_TLS);
	assert_hosts_refused("a=http://a", "DOCKER_TLS_VERIFY asks for TLS");
}

static void test_what_is_no_list_of_engines(void **state)
{
	static const struct {
		const char *hosts, *words;
	} rows[] = {
	    {",", "must name at least one engine"},
	    {" , ,", "must name at least one engine"},
	    {"nas", "each entry must be name=URL"},
	    {"tcp://nas", "each entry must be name=URL"},
	    {"a=tcp://a,tcp://b", "each entry must be name=URL"},
	    {"=tcp://nas", "a name must have 1 to 63"},
	    {".=tcp://nas", "no '.' in front"},
	    {"..=tcp://nas", "no '.' in front"},
	    {".hidden=tcp://nas", "no '.' in front"},
	    {"a/b=tcp://nas", "a name must have 1 to 63"},
	    {"a b=tcp://nas", "a name must have 1 to 63"},
	    {"a\xc3\xa4=tcp://nas", "a name must have 1 to 63"},
	    {"a\nb=tcp://nas", "a name must have 1 to 63"},
	    {"a%2f=tcp://nas", "a name must have 1 to 63"},
	    {"nas=", "must be unix://PATH"},
	    {"nas==tcp://nas", "must be unix://PATH"},
	    {"nas=ssh://nas", "forward the socket"},
	    {"a=tcp://a,a=tcp://b", "that name stands there twice"},
	    {"a=tcp://a,b=tcp://a", "that engine stands there twice"},
	    {"a=tcp://a,b=tcp://A:2375", "that engine stands there twice"},
	    {"a=tcp://a,b=http://a:2375", "that engine stands there twice"},
	    {"a=unix:///x,b=/x", "that engine stands there twice"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_hosts_refused(rows[i].hosts, rows[i].words);
	assert_int_equal(find_hosts("a=tcp://a:1,A=tcp://a:2,b=/X,c=/x"), 4);
}

static void test_a_refused_url_names_its_engine(void **state)
{
	(void)state;
	assert_hosts_refused(
	    "a=tcp://a,nas=ssh://b", "The URL of 'nas' in AUTOHEAL_HOSTS is 'ssh://b'");
}

static void test_names_and_urls_have_their_limits(void **state)
{
	char hosts[512], name[66];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[63] = 0;
	snprintf(hosts, sizeof(hosts), "%s=tcp://nas", name);
	assert_int_equal(find_hosts(hosts), 1);
	assert_string_equal(targets[0].name, name);
	name[63] = 'n';
	name[64] = 0;
	snprintf(hosts, sizeof(hosts), "%s=tcp://nas", name);
	assert_hosts_refused(hosts, "1 to 63");
	strcpy(hosts, "nas=tcp://");
	memset(hosts + 10, 'a', 300);
	hosts[310] = 0;
	assert_hosts_refused(hosts, "at most 255 bytes");
}

static void test_so_many_engines_and_no_more(void **state)
{
	char hosts[TARGETS_MAX * 64 + 64] = "";
	char name[16];

	(void)state;
	for (int i = 0; i < TARGETS_MAX; i++)
		snprintf(hosts + strlen(hosts), 64, "e%d=tcp://e%d,", i, i);
	assert_int_equal(find_hosts(hosts), TARGETS_MAX);
	for (int i = 0; i < TARGETS_MAX; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		assert_string_equal(targets[i].name, name);
		assert_string_equal(targets[i].place, name);
	}
	strcat(hosts, "last=tcp://last");
	assert_hosts_refused(hosts, "more than 64 engines; run a second autoheal");
}

/* ---- the one engine -------------------------------------------------------------------------- */

static void test_the_one_engine_and_its_name(void **state)
{
	(void)state;
	settings.docker_host = "tcp://nas";
	settings.docker_sock = "/elsewhere";
	assert_int_equal(find(), 1);
	assert_string_equal(targets[0].url, "tcp://nas:2375");
	assert_string_equal(targets[0].name, "local");
	assert_false(targets[0].own_folder);
	settings.host_name = "attic";
	settings.tls_verify = true;
	assert_int_equal(find(), 1);
	assert_string_equal(targets[0].name, "attic");
	assert_true(targets[0].tls);
	settings.host_name = "my attic";
	assert_int_equal(find(), -1);
	assert_non_null(strstr(error, "AUTOHEAL_HOST_NAME is 'my attic', but must have"));
	settings.host_name = "";
	assert_int_equal(find(), -1);
}

static void test_the_spelling_of_willfarrell(void **state)
{
	(void)state;
	settings.docker_sock = "/run/x.sock";
	assert_int_equal(find(), 1);
	assert_string_equal(targets[0].url, "unix:///run/x.sock");
	settings.docker_sock = "tcps://nas:2376";
	assert_int_equal(find(), 1);
	assert_true(targets[0].tls && targets[0].willfarrell_names);
	settings.docker_sock = "nas";
	assert_int_equal(find(), -1);
	assert_int_equal(strncmp(error, "DOCKER_SOCK is 'nas'", 20), 0);
}

/* Which default exists depends on the machine, but for those in the runtime's folder. */
static void test_without_a_setting_the_first_socket_that_exists(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(find(), 1);
	assert_true(targets[0].local);
	if (!access("/var/run/docker.sock", F_OK)) {
		assert_string_equal(targets[0].place, "/var/run/docker.sock");
		return;
	}
	fd = creat(path_of("docker.sock"), 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(find(), 1);
	assert_string_equal(targets[0].place, path_of("docker.sock"));
	assert_int_equal(unlink(path_of("docker.sock")), 0);
	if (!access("/run/podman/podman.sock", F_OK))
		return;
	assert_int_equal(mkdir(path_of("podman"), 0700), 0);
	fd = creat(path_of("podman/podman.sock"), 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(find(), 1);
	assert_string_equal(targets[0].place, path_of("podman/podman.sock"));
	/* without that folder, and without any of them: Docker's own place, where it may appear yet */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    target_find(targets, &settings, i ? "" : NULL, error, sizeof(error)), 1);
		assert_string_equal(targets[0].place, "/var/run/docker.sock");
	}
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void test_certificates_in_a_folder_of_its_own(void **state)
{
	char out[TARGET_URL_MAX];
	int fd;

	(void)state;
	assert_int_equal(find_hosts("nas=https://nas"), 1);
	target_certificates(&targets[0], folder, out, sizeof(out));
	assert_string_equal(out, folder); /* no such folder */
	fd = creat(path_of("nas"), 0600);
	close(fd);
	target_certificates(&targets[0], folder, out, sizeof(out));
	assert_string_equal(out, folder); /* a file is no folder */
	unlink(path_of("nas"));
	assert_int_equal(mkdir(path_of("nas"), 0700), 0);
	target_certificates(&targets[0], folder, out, sizeof(out));
	assert_string_equal(out, path_of("nas"));
}

static void test_the_one_engine_has_the_folder_itself(void **state)
{
	char out[TARGET_URL_MAX];

	(void)state;
	settings.docker_host = "https://nas";
	settings.host_name = "nas";
	assert_int_equal(mkdir(path_of("nas"), 0700), 0);
	assert_int_equal(find(), 1);
	target_certificates(&targets[0], folder, out, sizeof(out));
	assert_string_equal(out, folder);
}

/* Behind the folder a name must fit. */
static void test_a_folder_that_is_too_long_is_refused(void **state)
{
	char path[TARGET_FOLDER_MAX + 2];

	(void)state;
	memset(path, 'c', sizeof(path));
	path[TARGET_FOLDER_MAX] = 0;
	settings.docker_host = "https://nas";
	settings.cert_path = path;
	assert_int_equal(find(), 1);
	path[TARGET_FOLDER_MAX] = 'c';
	path[TARGET_FOLDER_MAX + 1] = 0;
	assert_int_equal(find(), -1);
	assert_non_null(strstr(error, "DOCKER_CERT_PATH"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_sockets),
	    TEST(test_hosts_and_ports),
	    TEST(test_what_is_no_engine),
	    TEST(test_plain_http_and_tls_verify_contradict_each_other),
	    TEST(test_a_url_cannot_smuggle_lines_into_a_request),
	    TEST(test_long_urls_fit_or_are_refused),
	    TEST(test_any_bytes_do_no_harm),
	    TEST(test_several_engines),
	    TEST(test_several_engines_come_in_place_of_the_one),
	    TEST(test_tls_verify_is_for_all_of_them),
	    TEST(test_what_is_no_list_of_engines),
	    TEST(test_a_refused_url_names_its_engine),
	    TEST(test_names_and_urls_have_their_limits),
	    TEST(test_so_many_engines_and_no_more),
	    TEST(test_the_one_engine_and_its_name),
	    TEST(test_the_spelling_of_willfarrell),
	    TEST(test_without_a_setting_the_first_socket_that_exists),
	    TEST(test_certificates_in_a_folder_of_its_own),
	    TEST(test_the_one_engine_has_the_folder_itself),
	    TEST(test_a_folder_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}

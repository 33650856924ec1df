/* target.c - where engines listen, of target.h. */
#include "target.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"

/* What may be shown of a URL that is none of ours: a password may stand before the @. */
static void show(struct span url, char *shown, size_t cap)
{
	size_t n = text_escape(url, shown, cap);
	const char *begin = span_find((struct span){shown, n}, "://");
	const char *end = memrchr(shown, '@', n); /* cut off, where it is not there */
	bool secret = false;

	if (!begin || !memchr(url.p, '@', url.n))
		return;
	for (char *p = shown + (begin - shown) + 3; *p && p != end; p++) {
		if (secret)
			*p = '*';
		secret |= *p == ':';
	}
}

static int bad(const char *variable, const char *url, const char *why, char *error, size_t error_size)
{
	char shown[128];

	show(span_of(url), shown, sizeof(shown));
	text_print(error, error_size, "%s is '%s', %s", variable, shown, why);
	return -1;
}

static int read_local(struct target *t, const char *path, const char *url, const char *variable,
    char *error, size_t error_size)
{
	struct net_address a;

	if (!net_local(&a, span_of(path)))
		return bad(variable, url, "but a socket's path must have 1 to 107 bytes", error,
		    error_size);
	t->local = true;
	span_copy(span_of(path), t->place, sizeof(t->place));
	text_print(t->url, sizeof(t->url), "unix://%s", path);
	return 0;
}

/* What comes before the place of an engine in its URL. */
struct scheme {
	char text[9];
	char shown[9];
	bool tls;   /* always */
	bool plain; /* never */
	bool tcps;  /* willfarrell's */
};

static const struct scheme schemes[] = {
    {.text = "tcp://", .shown = "tcp://"},
    {.text = "http://", .shown = "tcp://", .plain = true},
    {.text = "https://", .shown = "https://", .tls = true},
    {.text = "tcps://", .shown = "tcps://", .tls = true, .tcps = true},
};

/* A name or an address: it stands in the header Host as it is. */
static bool is_host(struct span host)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

		if (!letter && !(c >= '0' && c <= '9') && !strchr(".-_:%", c))
			return false;
	}
	return host.n && host.n <= TARGET_URL_MAX - 24;
}

static int read_remote(struct target *t, const struct scheme *scheme, const char *url,
    const char *variable, char *error, size_t error_size)
{
	struct span rest = span_of(url + strlen(scheme->text));
	const char *slash = memchr(rest.p, '/', rest.n);
	struct span host;
	bool v6;

	if (slash && slash[1])
		return bad(variable, url,
		    "but nothing may follow the port: an API below a path is not supported", error,
		    error_size);
	if (slash)
		rest.n = (size_t)(slash - rest.p);
	if (!net_split_host(rest, &host, &t->port) || !is_host(host))
		return bad(variable, url,
		    "but must name a host and a port, such as tcp://10.0.0.5:2375", error,
		    error_size);
	if (!t->port)
		t->port = t->tls ? TARGET_PORT_TLS : TARGET_PORT;
	span_copy(host, t->place, sizeof(t->place));
	v6 = memchr(host.p, ':', host.n) != NULL;
	text_print(t->url, sizeof(t->url), "%s%s%s%s:%u", scheme->shown, v6 ? "[" : "", t->place,
	    v6 ? "]" : "", t->port);
	return 0;
}

static int read_network(struct target *t, const struct scheme *scheme, bool tls_verify,
    const char *url, const char *variable, char *error, size_t error_size)
{
	if (scheme->plain && tls_verify)
		return bad(variable, url,
		    "but DOCKER_TLS_VERIFY asks for TLS: write tcp:// or https://, or unset it",
		    error, error_size);
	t->tls = scheme->tls || tls_verify;
	t->willfarrell_names = scheme->tcps;
	return read_remote(t, scheme, url, variable, error, error_size);
}

int target_read(struct target *t, const char *url, bool tls_verify, const char *variable,
    char *error, size_t error_size)
{
	struct span s = span_of(url);

	*t = (struct target){0};
	if (span_starts(s, "unix://"))
		return read_local(t, url + strlen("unix://"), url, variable, error, error_size);
	if (span_starts(s, "/"))
		return read_local(t, url, url, variable, error, error_size);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (span_starts(s, schemes[i].text))
			return read_network(
			    t, &schemes[i], tls_verify, url, variable, error, error_size);
	if (span_starts(s, "ssh://"))
		return bad(variable, url,
		    "but autoheal does not speak SSH: forward the socket (ssh -L) and name it as "
		    "unix://PATH, or use tcp:// with TLS",
		    error, error_size);
	if (span_starts(s, "npipe://"))
		return bad(variable, url,
		    "but named pipes are for Windows; use unix://PATH or tcp://HOST:PORT", error,
		    error_size);
	return bad(variable, url, "but must be unix://PATH, tcp://HOST:PORT, http:// or https://",
	    error, error_size);
}

/* ---- AUTOHEAL_HOSTS ---------------------------------------------------------------------------- */

#define NAME_WORDS "1 to 63 letters, digits, '-', '_' or '.', and no '.' in front"

/* A name stands in paths, identities and URLs of the API as it is. */
static bool is_name(struct span name)
{
	if (!name.n || name.n >= TARGET_NAME_MAX || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

static int bad_entry(struct span entry, const char *why, char *error, size_t error_size)
{
	char shown[96];

	show(entry, shown, sizeof(shown));
	text_print(error, error_size, "AUTOHEAL_HOSTS has '%s', %s", shown, why);
	return -1;
}

/* Names of hosts are the same in either case (RFC 4343), paths are not. */
static bool is_same_place(const struct target *a, const struct target *b)
{
	return a->port == b->port &&
	    (a->local ? !strcmp(a->place, b->place) : span_is_nocase(span_of(a->place), b->place));
}

/* One name=URL; the earlier ones are there to be compared with. */
static int read_entry(struct target *t, const struct target *targets, int count, struct span entry,
    bool tls_verify, char *error, size_t error_size)
{
	const char *equals = memchr(entry.p, '=', entry.n);
	char url[TARGET_URL_MAX], variable[TARGET_NAME_MAX + 32];
	struct span name, rest;

	if (!equals)
		return bad_entry(entry,
		    "but each entry must be name=URL, such as nas=tcp://10.0.0.5:2376", error,
		    error_size);
	name = span_trim((struct span){entry.p, (size_t)(equals - entry.p)});
	rest = span_trim((struct span){equals + 1, entry.n - (size_t)(equals + 1 - entry.p)});
	if (!is_name(name))
		return bad_entry(entry, "but a name must have " NAME_WORDS, error, error_size);
	if (rest.n >= sizeof(url))
		return bad_entry(entry, "but a URL must have at most 255 bytes", error, error_size);
	span_copy(rest, url, sizeof(url));
	text_print(
	    variable, sizeof(variable), "The URL of '%.*s' in AUTOHEAL_HOSTS", (int)name.n, name.p);
	if (target_read(t, url, tls_verify, variable, error, error_size))
		return -1;
	span_copy(name, t->name, sizeof(t->name));
	t->own_folder = true;
	for (int i = 0; i < count; i++) {
		if (!strcmp(targets[i].name, t->name))
			return bad_entry(
			    entry, "but that name stands there twice", error, error_size);
		if (is_same_place(&targets[i], t))
			return bad_entry(entry,
			    "but that engine stands there twice: it would be healed twice", error,
			    error_size);
	}
	return 0;
}

static int read_hosts(
    struct target *targets, const struct settings *s, char *error, size_t error_size)
{
	struct span rest = span_of(s->hosts), entry;
	int count = 0;

	while (span_next(&rest, ',', &entry)) {
		entry = span_trim(entry);
		if (!entry.n)
			continue;
		if (count == TARGETS_MAX) {
			text_print(error, error_size,
			    "AUTOHEAL_HOSTS names more than %d engines; run a second autoheal for the others",
			    TARGETS_MAX);
			return -1;
		}
		if (read_entry(
			&targets[count], targets, count, entry, s->tls_verify, error, error_size))
			return -1;
		count++;
	}
	if (!count)
		return bad_entry(span_of(s->hosts),
		    "but must name at least one engine, such as nas=tcp://10.0.0.5:2376", error,
		    error_size);
	return count;
}

/* ---- the one engine ------------------------------------------------------------------------------ */

/* Whether something is there, be it a socket that nobody answers on. */
static bool exists(const char *path)
{
	return !access(path, F_OK);
}

static int find_default(struct target *t, const char *runtime_dir, char *error, size_t error_size)
{
	static const char *const places[] = {"/var/run/docker.sock", "%s/docker.sock",
	    "/run/podman/podman.sock", "%s/podman/podman.sock"};
	char path[TARGET_URL_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		bool in_runtime_dir = places[i][0] == '%';
		const char *rest = places[i] + (in_runtime_dir ? 2 : 0);

		if (in_runtime_dir && (!runtime_dir || !*runtime_dir))
			continue;
		text_print(path, sizeof(path), "%.200s%s", in_runtime_dir ? runtime_dir : "", rest);
		if (exists(path))
			return target_read(t, path, false, "XDG_RUNTIME_DIR", error, error_size);
	}
	return target_read(t, places[0], false, "DOCKER_HOST", error, error_size);
}

int target_find(struct target *targets, const struct settings *s, const char *runtime_dir,
    char *error, size_t error_size)
{
	struct target *t = targets;
	int result;

	if (strlen(s->cert_path) > TARGET_FOLDER_MAX) {
		text_print(error, error_size, "DOCKER_CERT_PATH must have at most %d bytes",
		    TARGET_FOLDER_MAX);
		return -1;
	}
	if (s->hosts[0])
		return read_hosts(targets, s, error, error_size);
	if (s->docker_host[0])
		result = target_read(
		    t, s->docker_host, s->tls_verify, "DOCKER_HOST", error, error_size);
	else if (s->docker_sock[0])
		result = target_read(
		    t, s->docker_sock, s->tls_verify, "DOCKER_SOCK", error, error_size);
	else
		result = find_default(t, runtime_dir, error, error_size);
	if (result)
		return -1;
	if (!is_name(span_of(s->host_name))) {
		char shown[96];

		text_escape(span_of(s->host_name), shown, sizeof(shown));
		text_print(error, error_size,
		    "AUTOHEAL_HOST_NAME is '%s', but must have " NAME_WORDS, shown);
		return -1;
	}
	span_copy(span_of(s->host_name), t->name, sizeof(t->name));
	return 1;
}

void target_certificates(const struct target *t, const char *cert_path, char *out, size_t cap)
{
	struct stat st;

	if (t->own_folder) {
		text_print(out, cap, "%s/%s", cert_path, t->name);
		if (!stat(out, &st) && S_ISDIR(st.st_mode))
			return;
	}
	span_copy(span_of(cert_path), out, cap);
}

/* test_sandbox.c - that what sandbox.h forbids ends the process, and what it keeps goes on. Each case is a child. The
 * filter is compiled in, though this program has the sanitizers: its children make no calls but those that are asked about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#undef __SANITIZE_ADDRESS__
#include "../../sandbox.c"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char folder[] = "/tmp/autoheal-sandbox-XXXXXX";
static char kept[64], other[64], inside[96], outside[96];
static bool has_landlock;

/* ---- children -------------------------------------------------------------------------------- */

/* Without what the sanitizers do at an end. */
static void leave(int status)
{
	syscall(SYS_exit_group, (long)status);
}

#define REFUSED 13
#define FINE 0

/* What becomes of a process that does this inside: its exit status, or 128 and the signal. */
static int fate(int (*deed)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (!child) {
		struct sandbox s = {0};

		sandbox_begin(&s);
		sandbox_keep_folder(&s, kept, SANDBOX_WRITE);
		sandbox_enter(&s);
		leave(s.no_new_privileges && s.seccomp ? deed() : 99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int begin(void **state)
{
	struct sandbox s = {0};

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(kept, sizeof(kept), "%s/kept", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(inside, sizeof(inside), "%s/file", kept);
	snprintf(outside, sizeof(outside), "%s/file", other);
	sandbox_begin(&s);
	has_landlock = s.rules >= 0;
	if (has_landlock)
		close(s.rules);
	return mkdir(kept, 0700) || mkdir(other, 0700) || close(creat(outside, 0600));
}

static int end(void **state)
{
	(void)state;
	unlink(inside);
	unlink(outside);
	rmdir(kept);
	rmdir(other);
	return rmdir(folder);
}

/* ---- what is forbidden ------------------------------------------------------------------------ */

static int start_a_program(void)
{
	execve("/bin/true", (char *[]){"true", NULL}, (char *[]){NULL});
	return REFUSED;
}

static int trace_another(void)
{
	return syscall(SYS_ptrace, 16L, getppid(), NULL, NULL) ? REFUSED : FINE;
}

static int make_memory_executable(void)
{
	static _Alignas(4096) char page[4096];

	return mprotect(page, sizeof(page), PROT_READ | PROT_EXEC) ? REFUSED : FINE;
}

static int map_executable(void)
{
	void *p = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? REFUSED : FINE;
}

static int open_raw_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? REFUSED : FINE;
}

static int mount_something(void)
{
	return (int)syscall(SYS_mount, "none", "/tmp", "tmpfs", 0L, NULL) ? REFUSED : FINE;
}

static int leave_the_filter(void)
{
	return syscall(SYS_seccomp, FILTER_STRICTLY, 0L, NULL) ? REFUSED : FINE;
}

static void test_a_forbidden_call_ends_the_process(void **state)
{
	int (*const deeds[])(void) = {start_a_program, trace_another, make_memory_executable,
	    map_executable, open_raw_socket, mount_something, leave_the_filter};

	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (fate(deeds[i]) != 128 + SIGSYS)
			fail_msg("deed %zu ended with %d", i, fate(deeds[i]));
}

static int start_a_program_afterwards(void)
{
	int status = 0;
	pid_t child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL);

	if (!child)
		leave(start_a_program());
	syscall(SYS_wait4, child, &status, 0L, NULL);
	return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : FINE;
}

static void test_a_child_inherits_it(void **state)
{
	(void)state;
	assert_int_equal(fate(start_a_program_afterwards), 100 + SIGSYS);
}

/* ---- what goes on ------------------------------------------------------------------------------ */

static int use_memory_and_sockets(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int families[] = {AF_UNIX, AF_INET};

	if (p == MAP_FAILED || munmap(p, 4096))
		return 1;
	for (size_t i = 0; i < 2; i++) {
		int fd = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || close(fd))
			return 2;
	}
	return FINE;
}

static int replace_a_file(void)
{
	char fresh[128];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.new", inside);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) || close(fd))
		return 1;
	if (syscall(SYS_renameat2, AT_FDCWD, fresh, AT_FDCWD, inside, 0L))
		return 2;
	fd = open(inside, O_RDONLY | O_CLOEXEC);
	return fd < 0 || close(fd) ? 3 : FINE;
}

static void test_what_the_service_does_goes_on(void **state)
{
	(void)state;
	assert_int_equal(fate(use_memory_and_sockets), FINE);
	assert_int_equal(fate(replace_a_file), FINE);
}

static int read_outside(void)
{
	return open(outside, O_RDONLY | O_CLOEXEC) < 0 ? REFUSED : FINE;
}

static int write_outside(void)
{
	return open("/tmp/autoheal-sandbox-must-not-be", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0
	    ? REFUSED
	    : FINE;
}

static void test_files_of_other_folders_are_out_of_reach(void **state)
{
	(void)state;
	if (!has_landlock)
		skip(); /* this kernel has no Landlock */
	assert_int_equal(fate(read_outside), REFUSED);
	assert_int_equal(fate(write_outside), REFUSED);
}

/* ---- the folder of a file that is a link -------------------------------------------------------- */

static int read_through_the_link(void)
{
	struct sandbox s = {0};
	char link_path[128];

	snprintf(link_path, sizeof(link_path), "%s/link", kept);
	if (symlink("../other/file", link_path))
		return 1;
	sandbox_begin(&s);
	sandbox_keep_file(&s, link_path, SANDBOX_READ);
	sandbox_enter(&s);
	return open(link_path, O_RDONLY | O_CLOEXEC) < 0 ? REFUSED : FINE;
}

static void test_a_link_keeps_the_folder_that_it_leads_to(void **state)
{
	pid_t child = fork();
	char link_path[128];
	int status = 0;

	(void)state;
	assert_true(child >= 0);
	if (!child)
		leave(read_through_the_link());
	assert_int_equal(waitpid(child, &status, 0), child);
	snprintf(link_path, sizeof(link_path), "%s/link", kept);
	unlink(link_path);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

/* ---- a folder that is missing ------------------------------------------------------------------- */

/* The folder comes afterwards, made by somebody who is not confined. */
static int read_in_a_late_folder(void)
{
	struct sandbox s = {0};
	char late[128], file[160];
	int orders[2];
	char byte;

	snprintf(late, sizeof(late), "%s/late/certs", kept);
	snprintf(file, sizeof(file), "%s/ca.pem", late);
	if (pipe(orders))
		return 1;
	if (!syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL)) {
		close(orders[1]);
		if (read(orders[0], &byte, 1) == 0) /* the door is closed */
			leave(system("mkdir -p \"$PLACE\" && touch \"$PLACE/ca.pem\""));
		leave(1);
	}
	sandbox_begin(&s);
	if (!sandbox_keep_folder(&s, late, SANDBOX_READ))
		return 2;
	sandbox_enter(&s);
	close(orders[1]);
	syscall(SYS_wait4, -1, NULL, 0L, NULL);
	return open(file, O_RDONLY | O_CLOEXEC) < 0 ? REFUSED : FINE;
}

static void test_a_folder_that_comes_later_is_in_reach(void **state)
{
	pid_t child;
	char place[160];
	int status = 0;

	(void)state;
	snprintf(place, sizeof(place), "%s/late/certs", kept);
	setenv("PLACE", place, 1);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		leave(read_in_a_late_folder());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(system("rm -r \"$(dirname \"$PLACE\")\""), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

static void test_the_nearest_that_is_there_is_taken_but_never_the_root(void **state)
{
	char path[128], link[64], place[128];
	ssize_t n;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/c", kept);
	fd = open_nearest(path);
	assert_true(fd >= 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, place, sizeof(place) - 1);
	close(fd);
	assert_true(n > 0);
	place[n] = 0;
	assert_string_equal(place, kept);
	assert_int_equal(open_nearest("/autoheal-is-not-there/certs"), -1);
	assert_int_equal(open_nearest("/autoheal-is-not-there"), -1);
	assert_int_equal(open_nearest("autoheal-is-not-there"), -1);
	assert_int_equal(open_nearest(""), -1);
}

/* ---- words -------------------------------------------------------------------------------------- */

static void test_it_says_what_holds_and_what_does_not(void **state)
{
	struct sandbox s = {0};
	char words[SANDBOX_WORDS];

	(void)state;
	sandbox_describe(&s, words);
	assert_string_equal(words, "off, as AUTOHEAL_SANDBOX says");
	s = (struct sandbox){
	    .wanted = true, .no_new_privileges = true, .seccomp = true, .landlock = true};
	sandbox_describe(&s, words);
	assert_string_equal(words, "no new privileges, seccomp, Landlock");
	s.landlock = s.seccomp = false;
	s.landlock_error = ENOSYS;
	s.seccomp_error = EINVAL;
	sandbox_describe(&s, words);
	assert_string_equal(words,
	    "no new privileges, without seccomp: Invalid argument, without Landlock: Function not implemented");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_forbidden_call_ends_the_process),
	    cmocka_unit_test(test_a_child_inherits_it),
	    cmocka_unit_test(test_what_the_service_does_goes_on),
	    cmocka_unit_test(test_files_of_other_folders_are_out_of_reach),
	    cmocka_unit_test(test_a_link_keeps_the_folder_that_it_leads_to),
	    cmocka_unit_test(test_a_folder_that_comes_later_is_in_reach),
	    cmocka_unit_test(test_the_nearest_that_is_there_is_taken_but_never_the_root),
	    cmocka_unit_test(test_it_says_what_holds_and_what_does_not),
	};

	return cmocka_run_group_tests_name("sandbox", tests, begin, end);
}

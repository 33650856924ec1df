/* sandbox.c - seccomp and Landlock, of sandbox.h. Constants are those of Linux's linux/seccomp.h, linux/filter.h,
 * linux/audit.h and linux/landlock.h, which musl does not bring. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

/* ---- seccomp --------------------------------------------------------------------------------- */

#define LOAD 0x20     /* BPF_LD | BPF_W | BPF_ABS */
#define EQUAL 0x15    /* BPF_JMP | BPF_JEQ | BPF_K */
#define HAS_BITS 0x45 /* BPF_JMP | BPF_JSET | BPF_K */
#define RETURN 0x06   /* BPF_RET | BPF_K */
#define ALLOW 0x7fff0000u
#define KILL_PROCESS 0x80000000u
#define FILTER_STRICTLY 1 /* SECCOMP_SET_MODE_FILTER */

struct instruction {
	uint16_t code;
	uint8_t then, otherwise; /* how many to pass over */
	uint32_t value;
};

struct program {
	unsigned short length;
	const struct instruction *code;
};

/* What a filter sees of a call (struct seccomp_data). */
struct call_seen {
	int32_t number;
	uint32_t machine;
	uint64_t instruction_pointer;
	uint64_t arguments[6];
};

#define LOW_WORD(n) \
	((uint32_t)(offsetof(struct call_seen, arguments) + 8 * (n) + \
	    (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)))

/* AUDIT_ARCH_*: a filter must know whose numbers it reads. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define MACHINE 0xC000003Eu
#elif defined(__aarch64__)
#define MACHINE 0xC00000B7u
#elif defined(__i386__)
#define MACHINE 0x40000003u
#elif defined(__arm__)
#define MACHINE 0x40000028u
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE 0xC00000F3u
#else
#define MACHINE 0u
#endif

#ifdef SYS_mmap2
#define MAP_CALL SYS_mmap2
#else
#define MAP_CALL SYS_mmap
#endif

/* The sanitizers make calls of their own: their binary is left alone. */
#if defined(__SANITIZE_ADDRESS__)
#define FILTERS 0
#else
#define FILTERS 1
#endif

/* The service's calls, the frequent ones first; those of its children that write files are among them. A processor has
 * some of them under another number, or not at all. */
static const uint16_t allowed[] = {
#ifdef SYS_select
    SYS_select,
#endif
#ifdef SYS__newselect
    SYS__newselect,
#endif
    SYS_pselect6,
#ifdef SYS_pselect6_time64
    SYS_pselect6_time64,
#endif
    SYS_clock_gettime,
#ifdef SYS_clock_gettime64
    SYS_clock_gettime64,
#endif
    SYS_read,
    SYS_write,
#ifdef SYS_recv
    SYS_recv,
#endif
#ifdef SYS_send
    SYS_send,
#endif
    SYS_recvfrom,
    SYS_sendto,
    /* connections */
    SYS_connect,
    SYS_accept4,
    SYS_close,
    SYS_bind,
    SYS_listen,
    SYS_setsockopt,
    SYS_getsockopt,
    /* memory */
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
/* files */
#ifdef SYS_open
    SYS_open,
#endif
    SYS_openat,
    SYS_pread64,
    SYS_fstat,
#ifdef SYS_fstat64
    SYS_fstat64,
#endif
#ifdef SYS_stat
    SYS_stat,
    SYS_lstat,
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_fstatat64
    SYS_fstatat64,
#endif
#ifdef SYS_statx
    SYS_statx,
#endif
#ifdef SYS_unlink
    SYS_unlink,
#endif
    SYS_unlinkat,
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_renameat2,
    SYS_fsync,
    SYS_ftruncate,
#ifdef SYS_ftruncate64
    SYS_ftruncate64,
#endif
    SYS_fcntl,
#ifdef SYS_fcntl64
    SYS_fcntl64,
#endif
    SYS_pipe2,
/* children and signals */
#ifdef SYS_fork
    SYS_fork,
#endif
    SYS_clone,
    SYS_gettid,
    SYS_set_tid_address,
    SYS_wait4,
    SYS_setitimer,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
#ifdef SYS_sigreturn
    SYS_sigreturn,
#endif
    SYS_restart_syscall,
    SYS_kill,
    SYS_tkill,
    SYS_exit,
    SYS_exit_group,
/* the rest */
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_ppoll,
#ifdef SYS_ppoll_time64
    SYS_ppoll_time64,
#endif
    SYS_uname,
    SYS_geteuid,
#ifdef SYS_geteuid32
    SYS_geteuid32,
#endif
    SYS_getpid,
    SYS_getrandom,
    SYS_prlimit64,
};

#define ALLOWED (sizeof(allowed) / sizeof(allowed[0]))
/* Where the parts of the filter stand, behind four instructions and the list. */
enum {
	AT_CHECKS = 4 + ALLOWED,
	AT_MAPPING = AT_CHECKS + 4,
	AT_SOCKET = AT_MAPPING + 2,
	AT_KILL = AT_SOCKET + 4,
	AT_ALLOW,
	CODE_LENGTH
};
_Static_assert(AT_ALLOW - 4 < 256, "the jump from the first of the list");

struct assembler {
	struct instruction code[CODE_LENGTH];
	size_t n;
};

static void put(struct assembler *a, uint16_t what, uint32_t value)
{
	a->code[a->n++] = (struct instruction){.code = what, .value = value};
}

/* Goes on at `place` where the loaded word is, or has a bit of, value; else behind it, or at `otherwise`. */
static void jump(struct assembler *a, uint16_t what, uint32_t value, size_t place, size_t otherwise)
{
	size_t next = a->n + 1;

	a->code[a->n++] = (struct instruction){
	    what, (uint8_t)(place - next), (uint8_t)(otherwise ? otherwise - next : 0), value};
}

static void assemble(struct assembler *a)
{
	put(a, LOAD, offsetof(struct call_seen, machine));
	jump(a, EQUAL, MACHINE, 3, 0);
	put(a, RETURN, KILL_PROCESS);
	put(a, LOAD, offsetof(struct call_seen, number));
	for (size_t i = 0; i < ALLOWED; i++)
		jump(a, EQUAL, allowed[i], AT_ALLOW, 0);
	jump(a, EQUAL, MAP_CALL, AT_MAPPING, 0);
	jump(a, EQUAL, SYS_mprotect, AT_MAPPING, 0);
	jump(a, EQUAL, SYS_socket, AT_SOCKET, 0);
	put(a, RETURN, KILL_PROCESS);
	put(a, LOAD, LOW_WORD(2));
	jump(a, HAS_BITS, PROT_EXEC, AT_KILL, AT_ALLOW);
	put(a, LOAD, LOW_WORD(0));
	jump(a, EQUAL, AF_UNIX, AT_ALLOW, 0);
	jump(a, EQUAL, AF_INET, AT_ALLOW, 0);
	jump(a, EQUAL, AF_INET6, AT_ALLOW, AT_KILL);
	put(a, RETURN, KILL_PROCESS);
	put(a, RETURN, ALLOW);
}

/* 0, or errno. */
static int filter_calls(void)
{
	struct assembler a = {.n = 0};
	struct program program = {CODE_LENGTH, a.code};

	if (!MACHINE || !FILTERS)
		return ENOSYS;
	assemble(&a);
	return syscall(SYS_seccomp, FILTER_STRICTLY, 0, &program) ? errno : 0;
}

/* ---- Landlock -------------------------------------------------------------------------------- */

/* The same numbers on every processor. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define VERSION_OF_RULES 1u /* LANDLOCK_CREATE_RULESET_VERSION */
#define BENEATH_A_PATH 1    /* LANDLOCK_RULE_PATH_BENEATH */

#define RIGHT_WRITE_FILE (1u << 1)
#define RIGHT_READ_FILE (1u << 2)
#define RIGHT_READ_FOLDER (1u << 3)
#define RIGHT_REMOVE_FILE (1u << 5)
#define RIGHT_MAKE_FILE (1u << 8)
#define RIGHT_MAKE_SOCKET (1u << 9)
#define RIGHT_TRUNCATE (1u << 14)
#define RIGHTS_OF_VERSION_1 ((1u << 13) - 1)

struct beneath {
	uint64_t rights;
	int32_t folder;
} __attribute__((packed));

static uint64_t all_rights(long version)
{
	return RIGHTS_OF_VERSION_1 |
	    (version >= 2 ? 1u << 13 : 0) /* to link and rename across folders */
	    | (version >= 3 ? RIGHT_TRUNCATE : 0) |
	    (version >= 5 ? 1u << 15 : 0) /* ioctl of devices */;
}

void sandbox_begin(struct sandbox *s)
{
	long version = syscall(CREATE_RULESET, NULL, 0, VERSION_OF_RULES);

	s->wanted = true;
	s->rules = -1;
	if (version > 0) {
		s->handled = all_rights(version);
		s->rules = (int)syscall(CREATE_RULESET, &s->handled, sizeof(s->handled), 0);
	}
	if (s->rules < 0)
		s->landlock_error = errno;
}

/* The folder, or the nearest that it will be in; -1 where that is the root. */
static int open_nearest(const char *path)
{
	char place[PATH_MAX], *slash;
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	span_copy(span_of(path), place, sizeof(place));
	while (fd < 0 && (slash = strrchr(place, '/')) && slash != place) {
		*slash = 0;
		fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return fd;
}

bool sandbox_keep_folder(struct sandbox *s, const char *path, enum sandbox_right right)
{
	struct beneath rule = {.rights = RIGHT_READ_FILE | RIGHT_READ_FOLDER};

	if (s->rules < 0)
		return true;
	rule.folder = open_nearest(path);
	if (rule.folder < 0)
		return false;
	if (right == SANDBOX_WRITE)
		rule.rights |= RIGHT_WRITE_FILE | RIGHT_REMOVE_FILE | RIGHT_MAKE_FILE |
		    RIGHT_MAKE_SOCKET | RIGHT_TRUNCATE;
	rule.rights &= s->handled;
	if (syscall(ADD_RULE, s->rules, BENEATH_A_PATH, &rule, 0))
		s->landlock_error = errno;
	close(rule.folder);
	return true;
}

static bool keep_parent(struct sandbox *s, char *path, enum sandbox_right right)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return false;
	slash[slash == path] = 0;
	return sandbox_keep_folder(s, path, right);
}

bool sandbox_keep_file(struct sandbox *s, const char *path, enum sandbox_right right)
{
	char place[PATH_MAX], link[32];
	int fd = open(path, O_PATH | O_CLOEXEC); /* through all links */
	bool kept = text_print(place, sizeof(place), "%s", path) < (int)sizeof(place) &&
	    keep_parent(s, place, right);
	ssize_t n;

	if (fd < 0)
		return kept;
	text_print(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, place, sizeof(place) - 1);
	close(fd);
	if (n <= 0)
		return kept;
	place[n] = 0;
	return keep_parent(s, place, right);
}

static void restrict_files(struct sandbox *s)
{
	if (s->rules < 0)
		return;
	/* a folder that could not be kept would be missed later: then rather no rules at all */
	if (!s->landlock_error && syscall(RESTRICT_SELF, s->rules, 0))
		s->landlock_error = errno;
	s->landlock = !s->landlock_error;
	close(s->rules);
	s->rules = -1;
}

/* ---- both ------------------------------------------------------------------------------------ */

void sandbox_enter(struct sandbox *s)
{
	if (!s->wanted)
		return;
	if (!FILTERS)
		sandbox_keep_folder(
		    s, "/proc/self", SANDBOX_READ); /* the sanitizers look there at the end */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* neither a core nor /proc/PID/mem shows the token */
	s->no_new_privileges = !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	restrict_files(s);
	s->seccomp_error = filter_calls();
	s->seccomp = !s->seccomp_error;
}

void sandbox_describe(const struct sandbox *s, char words[SANDBOX_WORDS])
{
	if (!s->wanted) {
		text_print(words, SANDBOX_WORDS, "off, as AUTOHEAL_SANDBOX says");
		return;
	}
	text_print(words, SANDBOX_WORDS, "%sno new privileges, %sseccomp%s%s, %sLandlock%s%s",
	    s->no_new_privileges ? "" : "not even ", s->seccomp ? "" : "without ",
	    s->seccomp ? "" : ": ", s->seccomp ? "" : text_error(s->seccomp_error),
	    s->landlock ? "" : "without ", s->landlock ? "" : ": ",
	    s->landlock ? "" : text_error(s->landlock_error));
}

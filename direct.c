/* direct.c - two functions of musl as the plain system calls that they are at heart. What musl does beside is 1.6 KiB of
 * code: it looks for a faster way to the clock (the vDSO), though a turn of the loop asks but twice, and translates what
 * kernels say of a file on other processors. */
#ifdef __GLIBC__
typedef int not_in_the_test_binary;
#else
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef SYS_clock_gettime64 /* what fits musl's timespec where words have 32 bits */
#define CLOCK_CALL SYS_clock_gettime64
#else
#define CLOCK_CALL SYS_clock_gettime
#endif

int clock_gettime(clockid_t id, struct timespec *t)
{
	return (int)syscall(CLOCK_CALL, id, t);
}

/* stat, lstat and fstat come down to it. On these two, musl's struct stat is the kernel's. */
#if defined(__x86_64__) || defined(__aarch64__)
int fstatat(int folder, const char *restrict path, struct stat *restrict st, int flags)
{
	return (int)syscall(SYS_newfstatat, folder, path, st, flags);
}
#endif
#endif

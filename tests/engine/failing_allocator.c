/*
 * Linked around malloc, calloc and realloc of the test binary (--wrap), which so becomes build/san/autoheal-oom:
 * a test says in a shared file which allocation is refused, while the process runs. See test_memory_failures.py.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
	uint32_t after; /* 1: the next allocation fails; 0: none does */
	uint32_t run;   /* so many in a row */
	uint32_t calls;
	uint32_t failed;
};

static struct control *control;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

__attribute__((constructor)) static void open_control(void)
{
	const char *path = getenv("FAILING_ALLOCATIONS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control == MAP_FAILED)
		abort();
	close(fd);
}

/* Whether this one is refused. */
static int refused(void)
{
	if (!control)
		return 0;
	control->calls++;
	if (!control->after)
		return 0;
	if (control->after > 1) {
		control->after--;
		return 0;
	}
	control->failed++;
	if (control->run > 1)
		control->run--;
	else
		control->after = 0;
	return 1;
}

void *__wrap_malloc(size_t size)
{
	return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return refused() ? NULL : __real_realloc(p, size);
}

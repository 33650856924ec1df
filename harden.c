/* harden.c - the measures of harden.h. */
#include "harden.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "text.h"

#if UINTPTR_MAX > UINT32_MAX
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr program_header;
typedef Elf64_Dyn dynamic_entry;
#else
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr program_header;
typedef Elf32_Dyn dynamic_entry;
#endif

/* Of the ELF specification; musl 1.2.3 does not know them yet. */
#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

/* The linker puts this name at the program's first byte, wherever it was loaded. */
extern const elf_header __ehdr_start __attribute__((visibility("hidden")));

/* Where it is itself, as soon as somebody has relocated the program. */
static volatile uintptr_t relocated = (uintptr_t)&relocated;

/* An even word is the place of an address; the bits of an odd one tell which of the places behind it
 * hold one too. */
static void relocate(uintptr_t base, const uintptr_t *packed, size_t size)
{
	const size_t bits = 8 * sizeof(*packed) - 1;
	uintptr_t *place = NULL;

	for (const uintptr_t *end = packed + size / sizeof(*packed); packed < end; packed++) {
		if (!(*packed & 1)) {
			place = (uintptr_t *)(base + *packed);
			*place++ += base;
			continue;
		}
		for (size_t i = 0; i < bits; i++)
			if (*packed >> (i + 1) & 1)
				place[i] += base;
		place += bits;
	}
}

void harden_relocate(void)
{
	uintptr_t base = (uintptr_t)&__ehdr_start, packed = 0;
	const program_header *header = (const program_header *)(base + __ehdr_start.e_phoff);
	size_t size = 0;

	if (relocated == (uintptr_t)&relocated)
		return;
	while (header->p_type != PT_DYNAMIC)
		header++;
	for (const dynamic_entry *d = (const dynamic_entry *)(base + header->p_vaddr); d->d_tag; d++) {
		if (d->d_tag == DT_RELR)
			packed = base + d->d_un.d_ptr;
		else if (d->d_tag == DT_RELRSZ)
			size = d->d_un.d_val;
	}
	relocate(base, (const uintptr_t *)packed, size);
}

static bool is_named(struct span list, struct span name)
{
	struct span word;

	while (span_next(&list, ',', &word))
		if (span_equal(word, name))
			return true;
	return false;
}

void harden_environment(char **environment, const char *secrets)
{
	for (; *environment; environment++) {
		char *value = strchr(*environment, '='), *copy;

		if (!value ||
		    !is_named(span_of(secrets),
			(struct span){*environment, (size_t)(value - *environment)}))
			continue;
		copy = strdup(*environment);
		if (!copy)
			continue;
		memset(value + 1, '*', strlen(value + 1));
		*environment = copy;
	}
}

int harden_relro(void)
{
	uintptr_t base = (uintptr_t)&__ehdr_start, page = getauxval(AT_PAGESZ);
	const program_header *headers = (const program_header *)(base + __ehdr_start.e_phoff);

	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++) {
		uintptr_t from = (base + headers[i].p_vaddr) & ~(page - 1);
		uintptr_t to = (base + headers[i].p_vaddr + headers[i].p_memsz) & ~(page - 1);

		if (headers[i].p_type != PT_GNU_RELRO || to <= from)
			continue;
		if (mprotect((void *)from, to - from, PROT_READ))
			return -errno;
	}
	return 0;
}

/* harden.c - the measures of harden.h. */
#include "harden.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#if UINTPTR_MAX > UINT32_MAX
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr program_header;
#else
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr program_header;
#endif

/* The linker puts this name at the program's first byte, wherever it was loaded. */
extern const elf_header __ehdr_start __attribute__((visibility("hidden")));

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

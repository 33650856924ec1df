/* sandbox.h - what the process gives up after its start: new privileges, every system call that the service does not
 * need, and all files but those of a few folders. What the kernel does not have is left out, and known afterwards. */
#ifndef AUTOHEAL_SANDBOX_H
#define AUTOHEAL_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_WORDS 256 /* bytes that sandbox_describe needs at most */

struct sandbox {
	bool no_new_privileges, seccomp, landlock;
	bool wanted;      /* AUTOHEAL_SANDBOX */
	int rules;        /* the Landlock rules as long as they are made; -1 without */
	uint64_t handled; /* what they are about */
	/* errno of what could not be had */
	int seccomp_error, landlock_error;
};

enum sandbox_right { SANDBOX_READ, SANDBOX_WRITE };

/* Begins the rules; zeroed memory is expected. */
void sandbox_begin(struct sandbox *s);
/* The folder, with all that is in it, stays readable, or writable too. Of one that is not there, and may come, the nearest
 * that it will be in; false where that is the root, which is not kept. */
bool sandbox_keep_folder(struct sandbox *s, const char *path, enum sandbox_right right);
/* The same of the folder that a file is in, and of the one that it really is in where it is a link: files there are replaced
 * by rename. */
bool sandbox_keep_file(struct sandbox *s, const char *path, enum sandbox_right right);
/* Closes the door. From here on a system call that is not on the list ends the process with SIGSYS, and so do a program
 * started, memory made executable, and sockets of other families than unix and internet. Children inherit all of it. */
void sandbox_enter(struct sandbox *s);
/* What holds, and what does not and why, as one sentence. */
void sandbox_describe(const struct sandbox *s, char words[SANDBOX_WORDS]);

#endif

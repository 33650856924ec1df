/* script.c - the helper that runs POST_RESTART_SCRIPT, of script.h. */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "text.h"

#define ARGUMENTS 4
#define KILLED INT32_MAX /* it took too long */

extern char **environ;

struct script {
	struct loop *loop;
	int fd; /* to the helper; -1 when it is gone */
	bool busy;
	unsigned first, waiting;
	char words[SCRIPT_QUEUE][SCRIPT_WORDS]; /* those that wait; the first is the one that runs */
};

/* ---- the helper ------------------------------------------------------------------------------ */

static void on_alarm(int number)
{
	(void)number; /* it ends the wait */
}

static void run_program(const char *path, char *words)
{
	char *argv[ARGUMENTS + 2];
	union {
		const char *from;
		char *to;
	} name = {path};

	argv[0] = name.to;
	for (int i = 1; i <= ARGUMENTS; i++) {
		argv[i] = words;
		words += strlen(words) + 1;
	}
	argv[ARGUMENTS + 1] = NULL;
	setpgid(0, 0);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	execve(path, argv, environ);
	_exit(127);
}

static int32_t run(const char *path, char *words)
{
	pid_t child = _Fork(); /* one thread: nothing is locked that a child would need */
	int status = 0;

	if (child < 0)
		return 127;
	if (!child)
		run_program(path, words);
	alarm(SCRIPT_RUN_S);
	if (waitpid(child, &status, 0) < 0) {
		kill(-child, SIGKILL);
		waitpid(child, &status, 0);
		return KILLED;
	}
	alarm(0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Ends when the service does: then nothing comes any more. A signal to the whole group is the service's business. */
static void help(const char *path, int fd)
{
	struct sigaction action = {.sa_handler = on_alarm};
	char words[SCRIPT_WORDS];
	int32_t result;

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	sigaction(SIGALRM, &action, NULL);
	while (recv(fd, words, sizeof(words), 0) == sizeof(words)) {
		words[sizeof(words) - 1] = 0;
		result = run(path, words);
		if (send(fd, &result, sizeof(result), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* ---- the service's side ---------------------------------------------------------------------- */

static void begin(struct script *s)
{
	if (s->busy || !s->waiting || s->fd < 0)
		return;
	s->busy = send(s->fd, s->words[s->first], SCRIPT_WORDS, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    SCRIPT_WORDS;
}

static void ready(void *owner, unsigned what)
{
	struct script *s = owner;
	const char *name = s->words[s->first];
	int32_t result;
	ssize_t n = recv(s->fd, &result, sizeof(result), MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(result)) {
		log_line(LOG_ERROR, "script", "The helper that runs POST_RESTART_SCRIPT is gone");
		loop_forget(s->loop, s->fd);
		close(s->fd);
		s->fd = -1;
		return;
	}
	if (result == KILLED)
		log_line(LOG_WARNING, "script",
		    "POST_RESTART_SCRIPT for '%s' was killed: it took longer than %d s", name,
		    SCRIPT_RUN_S);
	else
		log_line(result ? LOG_WARNING : LOG_INFO, "script",
		    "POST_RESTART_SCRIPT for '%s' ended with exit code %d%s", name, result,
		    result == 127 ? ", as a program does that cannot be run" : "");
	s->busy = false;
	s->first = (s->first + 1) % SCRIPT_QUEUE;
	s->waiting--;
	begin(s);
}

void script_run(
    struct script *s, const char *name, const char *id, const char *state, const char *timeout)
{
	char *words;

	if (!s || s->fd < 0)
		return;
	if (s->waiting == SCRIPT_QUEUE) {
		log_line(LOG_WARNING, "script",
		    "POST_RESTART_SCRIPT is not run for '%s': %d runs wait already", name,
		    SCRIPT_QUEUE);
		return;
	}
	words = s->words[(s->first + s->waiting++) % SCRIPT_QUEUE];
	memset(words, 0, SCRIPT_WORDS);
	/* the zeros between them are the separators */
	words += span_copy(span_of(name), words, 256) + 1;
	words += span_copy(span_of(id), words, 16) + 1;
	words += span_copy(span_of(state), words, 24) + 1;
	span_copy(span_of(timeout), words, 16);
	begin(s);
}

/* Says what stands in the way of running it; the file may still come. */
static void check(const char *path)
{
	char line[256], *end;
	int fd = access(path, X_OK) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0) {
		log_line(LOG_WARNING, "script", "POST_RESTART_SCRIPT %.200s cannot be run: %s",
		    path, text_error(errno));
		return;
	}
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = 0;
	if (strncmp(line, "#!", 2))
		return;
	for (end = line + 2; *end == ' ' || *end == '\t';)
		end++;
	for (n = 0; end[n] > ' ';)
		n++;
	end[n] = 0;
	if (access(end, X_OK))
		log_line(LOG_WARNING, "script",
		    "POST_RESTART_SCRIPT %.200s cannot be run: it needs %.100s, which is not here; in an image "
		    "without a shell it must be a static program",
		    path, end);
}

struct script *script_start(struct loop *loop, const char *path)
{
	struct script *s;
	int ends[2];
	pid_t child;

	if (!path[0])
		return NULL;
	check(path);
	s = calloc(1, sizeof(*s));
	if (!s || syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		goto failed;
	child = _Fork();
	if (!child) {
		close(ends[0]);
		help(path, ends[1]);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		goto failed;
	}
	s->loop = loop;
	s->fd = ends[0];
	loop_watch(loop, s->fd, LOOP_READ, ready, s);
	return s;
failed:
	log_line(LOG_ERROR, "script", "POST_RESTART_SCRIPT cannot be run: %s", text_error(errno));
	free(s);
	return NULL;
}

void script_close(struct script *s)
{
	if (!s)
		return;
	if (s->fd >= 0) {
		loop_forget(s->loop, s->fd);
		close(s->fd);
	}
	free(s);
}

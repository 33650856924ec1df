/* store.c - the folder of store.h. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define CHILD_FOREIGN 255 /* exit code: what lies there is not ours; others are errno */
#define TEMPORARY ".autoheal.tmp"

static const char names[STORE_FILES][16] = {[STORE_EVENTS_OLD] = "events.1.jsonl",
    [STORE_EVENTS] = "events.jsonl",
    [STORE_CONFIG] = "config.json",
    [STORE_STATE] = "state.json",
    [STORE_INCIDENTS] = "incidents.json"};

/* Waits a little; false when it is time to give up. */
static bool nap(struct loop *loop, uint64_t until)
{
	poll(NULL, 0, 10);
	loop_clock(loop);
	return loop->now < until;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* O_NONBLOCK: what lies there may be a pipe. */
static int open_own(const struct store *s, enum store_file file, struct stat *st)
{
	char begin[32];
	int fd = openat(s->folder, names[file], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? STORE_NEW : STORE_FOREIGN;
	n = fstat(fd, st) || !S_ISREG(st->st_mode) ? -1 : pread(fd, begin, sizeof(begin), 0);
	if (n >= 0 && s->handler->is_own((struct span){begin, (size_t)n}))
		return fd;
	close(fd);
	return STORE_FOREIGN;
}

int store_open_file(const struct store *s, enum store_file file, size_t *size)
{
	struct stat st;
	int fd = open_own(s, file, &st);

	if (fd == STORE_FOREIGN)
		log_line(LOG_ERROR, "store",
		    "%s in AUTOHEAL_DATA_DIR=%s was not written by autoheal, or cannot be read: it is left as it is, "
		    "and nothing is stored. Move it away, or name another folder",
		    names[file], s->path);
	*size = fd >= 0 ? (size_t)st.st_size : 0;
	return fd;
}

void store_set_aside(const struct store *s, enum store_file file)
{
	char name[48];

	text_print(
	    name, sizeof(name), "%s.%llu.damaged", names[file], (unsigned long long)s->loop->wall);
	if (renameat(s->folder, names[file], s->folder, name))
		text_print(name, sizeof(name), "nothing: %s", text_error(errno));
	log_line(LOG_WARNING, "store",
	    "%s in %s is damaged: what could be read of it counts. It is renamed to %s",
	    names[file], s->path, name);
}

int store_open(struct store *s, struct loop *loop, const char *path,
    const struct store_handler *handler, void *owner)
{
	uint64_t until = loop->now + STORE_LOCK_MS;
	int error;

	*s = (struct store){
	    .loop = loop, .path = path, .handler = handler, .owner = owner, .folder = -1};
	if (!path[0])
		return -1;
	s->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->folder < 0) {
		log_line(LOG_ERROR, "store",
		    "AUTOHEAL_DATA_DIR=%s cannot be used: %s. Nothing is stored", path,
		    text_error(errno));
		return -1;
	}
	/* a file system that knows no locks is used without */
	do {
		error = flock(s->folder, LOCK_EX | LOCK_NB) ? errno : 0;
		if (error != EWOULDBLOCK)
			return 0;
	} while (nap(loop, until));
	store_give_up(s);
	return -EWOULDBLOCK;
}

void store_give_up(struct store *s)
{
	if (s->folder >= 0)
		close(s->folder);
	s->folder = -1;
	s->wanted = 0;
}

/* ---- writing: all of this in the child ------------------------------------------------------- */

void store_flush(struct store_sink *sink, bool all)
{
	size_t done = 0;

	if (sink->piece.failed)
		sink->error = sink->piece.starved ? ENOMEM : EFBIG;
	if (!all && sink->piece.n < STORE_PIECE_MAX)
		return;
	if (sink->slow)
		alarm(0);
	while (!sink->error && done < sink->piece.n) {
		ssize_t n = write(sink->fd, sink->piece.p + done, sink->piece.n - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			sink->error = errno;
	}
	if (sink->slow)
		alarm(STORE_CHILD_MS / 1000);
	sink->piece.n = 0;
}

/* Prints the file and has it on disk; returns errno. */
static int fill(const struct store *s, enum store_file file, int fd, const char *head)
{
	struct store_sink sink = {.fd = fd};

	buf_init(&sink.piece, STORE_CONFIG_MAX);
	buf_add_text(&sink.piece, head);
	s->handler->print(s->owner, file, &sink);
	store_flush(&sink, true);
	if (!sink.error && fsync(fd))
		sink.error = errno;
	return sink.error;
}

/* A temporary file takes the name when it is whole; returns errno, or CHILD_FOREIGN. */
static int write_whole(const struct store *s, enum store_file file, const char *head)
{
	struct stat st;
	int fd = openat(s->folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	int error = fd < 0 ? errno : fill(s, file, fd, head);

	if (!error && open_own(s, file, &st) == STORE_FOREIGN)
		return CHILD_FOREIGN;
	if (!error && renameat(s->folder, TEMPORARY, s->folder, names[file]))
		error = errno;
	if (error)
		unlinkat(s->folder, TEMPORARY, 0);
	return error;
}

/* New events go behind the old ones. A line that a crash cut off ends here; what a full disk cut off is taken back. */
static int append_events(const struct store *s)
{
	struct stat st;
	char last = '\n';
	int fd, error, seen = open_own(s, STORE_EVENTS, &st);

	if (seen == STORE_NEW)
		return write_whole(s, STORE_EVENTS, s->handler->events_head);
	if (seen < 0)
		return CHILD_FOREIGN;
	if (st.st_size > STORE_EVENTS_MAX) {
		if (open_own(s, STORE_EVENTS_OLD, &(struct stat){0}) == STORE_FOREIGN)
			return CHILD_FOREIGN;
		if (renameat(s->folder, names[STORE_EVENTS], s->folder, names[STORE_EVENTS_OLD]))
			return errno;
		return write_whole(s, STORE_EVENTS, s->handler->events_head);
	}
	fd = openat(s->folder, names[STORE_EVENTS], O_WRONLY | O_APPEND | O_NOFOLLOW);
	if (fd < 0)
		return errno;
	if (pread(seen, &last, 1, st.st_size - 1) < 0)
		return errno;
	error = fill(s, STORE_EVENTS, fd, last == '\n' ? "" : "\n");
	if (error && ftruncate(fd, st.st_size))
		return errno;
	return error;
}

static int clear_events(const struct store *s)
{
	struct stat st;

	if (open_own(s, STORE_EVENTS_OLD, &st) >= 0)
		unlinkat(s->folder, names[STORE_EVENTS_OLD], 0);
	return write_whole(s, STORE_EVENTS, s->handler->events_head);
}

/* Events first: what the state says of a restart may then be checked against them. */
static int write_all(const struct store *s, unsigned files)
{
	int error = 0;

	if (files & STORE_CLEAR)
		error = clear_events(s);
	else if (files & 1u << STORE_EVENTS)
		error = append_events(s);
	/* a record of a restart is worth more than what is told of it */
	if (files & 1u << STORE_STATE) {
		int other = write_whole(s, STORE_STATE, "");

		error = error ? error : other;
	}
	if (!error && files & 1u << STORE_CONFIG)
		error = write_whole(s, STORE_CONFIG, "");
	if (!error && files & 1u << STORE_INCIDENTS)
		error = write_whole(s, STORE_INCIDENTS, "");
	if (!error && fsync(s->folder) && errno != EINVAL)
		error = errno;
	return error;
}

/* It outlives a service that is killed, to finish what it was given, but holds nothing of its open: no engine, no
 * client, no address. */
static void become_child(const struct store *s, int pipe)
{
	static const int deaf[] = {SIGTERM, SIGINT, SIGCONT, SIGHUP};

	for (size_t i = 0; i < sizeof(deaf) / sizeof(deaf[0]); i++)
		signal(deaf[i], SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN);
	alarm(STORE_CHILD_MS / 1000);
	for (int fd = 0; fd < LOOP_FD_MAX; fd++)
		if (fd != s->folder && fd != pipe)
			close(fd);
}

int store_read_apart(
    struct store *s, void (*read_all)(void *owner, struct store_sink *sink), void *owner)
{
	static const char whole[] = {STORE_READ_WHOLE};
	struct store_sink sink = {.slow = true};
	int ends[2];

	if (s->reader || s->reading)
		return STORE_BUSY;
	if (s->folder < 0 || pipe2(ends, O_CLOEXEC))
		return -1;
	s->reader = _Fork(); /* one thread: nothing is locked that a child would need */
	if (!s->reader) {
		become_child(s, ends[1]);
		sink.fd = ends[1];
		buf_init(&sink.piece, STORE_CONFIG_MAX);
		read_all(owner, &sink);
		buf_add(&sink.piece, whole, sizeof(whole));
		store_flush(&sink, true);
		_exit(0);
	}
	close(ends[1]);
	s->reading = s->reader > 0;
	if (s->reading)
		return ends[0];
	s->reader = 0;
	close(ends[0]);
	return -1;
}

void store_read_ended(struct store *s)
{
	s->reading = false;
	if (s->reader) /* nobody hears it any more */
		kill(s->reader, SIGKILL);
	else
		s->handler->may_read(s->owner);
}

/* ---- children -------------------------------------------------------------------------------- */

static void weigh(struct store *s);

/* What was being written is on disk, or the problem stands in words. */
static void end_child(struct store *s, const char *problem)
{
	if (problem && !s->told)
		log_line(LOG_ERROR, "store",
		    "AUTOHEAL_DATA_DIR=%s cannot be written: %s. Healing goes on; what is known is lost when autoheal "
		    "ends, until it can be written",
		    s->path, problem);
	if (!problem && s->told)
		log_line(LOG_INFO, "store", "AUTOHEAL_DATA_DIR=%s can be written again", s->path);
	s->told = problem != NULL;
	if (problem)
		s->wanted |= s->writing;
	s->writing = 0;
	s->handler->done(s->owner, s->children, problem);
	weigh(s);
}

static void begin(struct store *s)
{
	s->writing = s->wanted;
	s->wanted = 0;
	s->pressing = s->slow = false;
	s->children++;
	s->begun = s->loop->now;
	s->handler->begins(s->owner, s->writing);
	s->child = _Fork(); /* one thread: nothing is locked that a child would need */
	if (!s->child) {
		become_child(s, -1);
		_exit(write_all(s, s->writing));
	}
	s->failed = errno;
	/* whoever asks gets his ticket before he is told */
	loop_after(s->loop, &s->timer, s->child < 0 ? 0 : STORE_SLOW_MS);
}

static void weigh(struct store *s)
{
	uint64_t at = s->begun + (s->told ? STORE_AGAIN_MS : STORE_GAP_MS);

	if (s->child)
		return;
	if (!s->wanted)
		loop_cancel(s->loop, &s->timer);
	else if (s->pressing || at <= s->loop->now || !s->children)
		begin(s);
	else
		loop_after(s->loop, &s->timer, at - s->loop->now);
}

static void on_timer(void *owner)
{
	struct store *s = owner;

	if (!s->child) {
		weigh(s);
	} else if (s->child < 0) {
		s->child = 0;
		end_child(s, text_error(s->failed));
	} else if (!s->slow) {
		s->slow = true;
		s->handler->done(
		    s->owner, UINT64_MAX, "the disk has not taken it within 5 s; it is tried on");
		loop_after(s->loop, &s->timer, STORE_CHILD_MS - STORE_SLOW_MS);
	} else {
		kill(s->child, SIGKILL);
	}
}

uint64_t store_want(struct store *s, unsigned files, bool pressing)
{
	if (s->folder < 0)
		return 0;
	s->timer.fire = on_timer;
	s->timer.owner = s;
	s->wanted |= files;
	s->pressing |= pressing;
	if (s->wanted)
		weigh(s);
	if (s->wanted)
		return s->children + 1;
	return s->child ? s->children : 0;
}

void store_reap(struct store *s)
{
	const char *problem = NULL;
	int status;

	if (s->reader && waitpid(s->reader, NULL, WNOHANG) == s->reader) {
		s->reader = 0;
		if (!s->reading)
			s->handler->may_read(s->owner);
	}
	if (s->child <= 0 || waitpid(s->child, &status, WNOHANG) != s->child)
		return;
	s->child = 0;
	if (!WIFEXITED(status))
		problem = "the disk takes too long";
	else if (WEXITSTATUS(status) == CHILD_FOREIGN)
		problem = "a file there was not written by autoheal";
	else if (WEXITSTATUS(status))
		problem = text_error(WEXITSTATUS(status));
	end_child(s, problem);
}

void store_close(struct store *s)
{
	uint64_t until = s->loop->now + STORE_LAST_MS;

	if (s->folder < 0)
		return;
	s->pressing = true;
	weigh(s);
	while (s->child > 0 && nap(s->loop, until))
		store_reap(s);
	loop_cancel(s->loop, &s->timer);
	store_give_up(s);
}

/* test_store.c - what store.h promises, in folders of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

static struct loop loop;
static struct store store;
static char folder[64];
static char text[STORE_FILES][64]; /* what is to be written */
static unsigned begun;             /* files of the last child */
static uint64_t ticket;            /* of the last done() */
static char problem[200];
static unsigned dones;
static unsigned may_reads;
static bool no_process; /* none can be begun */

pid_t _Fork(void)
{
	pid_t (*real)(void);

	if (no_process) {
		errno = EAGAIN;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "_Fork");
	return real();
}

static bool is_own(struct span begin)
{
	return span_starts(begin, "{\"autoheal\":1}");
}

static void print(void *owner, enum store_file file, struct store_sink *sink)
{
	assert_ptr_equal(owner, &store);
	buf_add_text(&sink->piece, text[file]);
	store_flush(sink, false);
}

static void begins(void *owner, unsigned files)
{
	(void)owner;
	begun = files;
}

static void done(void *owner, uint64_t of, const char *why)
{
	(void)owner;
	ticket = of;
	dones++;
	snprintf(problem, sizeof problem, "%s", why ? why : "");
}

static void may_read(void *owner)
{
	(void)owner;
	may_reads++;
}

static const struct store_handler handler = {
    .is_own = is_own,
    .events_head = "{\"autoheal\":1}\n",
    .print = print,
    .begins = begins,
    .done = done,
    .may_read = may_read,
};

#define OWN "{\"autoheal\":1} "
#define STATE (1u << STORE_STATE)
#define CONFIG (1u << STORE_CONFIG)
#define EVENTS (1u << STORE_EVENTS)

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *words)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(words, f);
	fclose(f);
}

static const char *get(const char *name)
{
	static char words[4096];
	FILE *f = fopen(path_of(name), "r");

	if (!f)
		return NULL;
	words[fread(words, 1, sizeof words - 1, f)] = 0;
	fclose(f);
	return words;
}

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(folder));
	loop_init(&loop);
	assert_int_equal(store_open(&store, &loop, folder, &handler, &store), 0);
	for (int i = 0; i < STORE_FILES; i++)
		strcpy(text[i], OWN "first\n");
	strcpy(text[STORE_EVENTS], "one\n");
	dones = may_reads = 0;
	no_process = false;
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	store_close(&store);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

/* Until the child has ended. */
static void settle(void)
{
	pid_t child = store.child;
	siginfo_t info;

	assert_true(child > 0);
	assert_false(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
	loop_clock(&loop);
	store_reap(&store);
	assert_true(store.child != child);
}

static void test_what_is_wanted_is_written(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(store_want(&store, STATE | CONFIG | EVENTS, false), 1);
	settle();
	assert_int_equal(ticket, 1);
	assert_string_equal(problem, "");
	assert_int_equal(begun, STATE | CONFIG | EVENTS);
	assert_string_equal(get("state.json"), OWN "first\n");
	assert_string_equal(get("config.json"), OWN "first\n");
	assert_string_equal(get("events.jsonl"), "{\"autoheal\":1}\none\n");
	assert_null(get(".autoheal.tmp"));
	assert_false(stat(path_of("state.json"), &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_want(&store, 0, true), 0); /* nothing to be waited for */
	assert_int_equal(store.child, 0);
}

static void test_a_newer_text_waits_and_takes_the_place_of_the_one_waiting(void **state)
{
	(void)state;
	assert_int_equal(store_want(&store, STATE, true), 1);
	strcpy(text[STORE_STATE], OWN "second\n");
	assert_int_equal(store_want(&store, STATE, true), 2);
	strcpy(text[STORE_STATE], OWN "third\n");
	assert_int_equal(store_want(&store, STATE, true), 2);
	assert_int_equal(store.children, 1); /* one at a time */
	settle();
	assert_int_equal(ticket, 1);
	assert_string_equal(get("state.json"), OWN "first\n");
	settle();
	assert_int_equal(ticket, 2);
	assert_string_equal(get("state.json"), OWN "third\n");
	assert_int_equal(store.children, 2);
}

static void test_what_does_not_press_waits_a_while(void **state)
{
	uint64_t wanted;

	(void)state;
	store_want(&store, STATE, false);
	settle();
	wanted = store.begun;
	assert_int_equal(store_want(&store, STATE, false), 2);
	assert_int_equal(store.child, 0);
	assert_true(store.timer.place && store.timer.due <= wanted + STORE_GAP_MS);
	assert_int_equal(store_want(&store, CONFIG, true), 2); /* and goes along with what does */
	settle();
	assert_int_equal(begun, STATE | CONFIG);
	assert_int_equal(store.timer.place, 0);
}

static void test_events_are_appended(void **state)
{
	(void)state;
	put("events.jsonl", "{\"autoheal\":1}\nold\ncut o");
	store_want(&store, EVENTS, true);
	settle();
	assert_string_equal(get("events.jsonl"), "{\"autoheal\":1}\nold\ncut o\none\n");
	strcpy(text[STORE_EVENTS], "two\n");
	store_want(&store, EVENTS, true);
	settle();
	assert_string_equal(get("events.jsonl"), "{\"autoheal\":1}\nold\ncut o\none\ntwo\n");
	strcpy(text[STORE_EVENTS], "cleared\n");
	put("events.1.jsonl", OWN);
	store_want(&store, EVENTS | STORE_CLEAR, true);
	settle();
	assert_string_equal(get("events.jsonl"), "{\"autoheal\":1}\ncleared\n");
	assert_null(get("events.1.jsonl"));
}

static void test_events_are_rotated(void **state)
{
	struct stat st;

	(void)state;
	put("events.jsonl", OWN);
	put("events.1.jsonl", OWN "older\n");
	assert_false(truncate(path_of("events.jsonl"), STORE_EVENTS_MAX + 1));
	store_want(&store, EVENTS, true);
	settle();
	assert_string_equal(problem, "");
	assert_string_equal(get("events.jsonl"), "{\"autoheal\":1}\none\n");
	assert_false(stat(path_of("events.1.jsonl"), &st));
	assert_int_equal(st.st_size, STORE_EVENTS_MAX + 1);
}

static void test_a_foreign_file_is_never_touched(void **state)
{
	static const struct {
		const char *name;
		unsigned files;
	} files[] = {{"state.json", STATE}, {"config.json", CONFIG}, {"events.jsonl", EVENTS}};
	size_t size;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		put(files[i].name, "mine");
		store_want(&store, files[i].files, true);
		settle();
		assert_non_null(strstr(problem, "not written by autoheal"));
		assert_string_equal(get(files[i].name), "mine");
		assert_false(unlink(path_of(files[i].name)));
		store.wanted = 0;
	}
	assert_int_equal(store_open_file(&store, STORE_STATE, &size), STORE_NEW);
	put("state.json", "mine");
	assert_int_equal(store_open_file(&store, STORE_STATE, &size), STORE_FOREIGN);
	assert_false(unlink(path_of("state.json")));
	assert_false(mkfifo(path_of("state.json"), 0600));
	assert_int_equal(store_open_file(&store, STORE_STATE, &size), STORE_FOREIGN);
	assert_false(unlink(path_of("state.json")));
	assert_false(symlink("/etc/hostname", path_of("state.json")));
	assert_int_equal(store_open_file(&store, STORE_STATE, &size), STORE_FOREIGN);
	/* nor is a full one that is to be rotated away */
	put("events.jsonl", OWN);
	assert_false(truncate(path_of("events.jsonl"), STORE_EVENTS_MAX + 1));
	put("events.1.jsonl", "mine");
	store_want(&store, EVENTS, true);
	settle();
	assert_string_equal(get("events.1.jsonl"), "mine");
}

static void test_a_file_of_ours_is_opened_or_set_aside(void **state)
{
	size_t size;
	int fd;

	(void)state;
	put("state.json", OWN "words");
	fd = store_open_file(&store, STORE_STATE, &size);
	assert_true(fd >= 0);
	assert_int_equal(size, strlen(OWN "words"));
	close(fd);
	store_set_aside(&store, STORE_STATE);
	assert_null(get("state.json"));
	assert_int_equal(store_open_file(&store, STORE_STATE, &size), STORE_NEW);
}

static void test_a_failure_is_told_and_tried_again(void **state)
{
	(void)state;
	assert_false(mkdir(path_of(".autoheal.tmp"), 0700));
	assert_int_equal(store_want(&store, STATE, true), 1);
	settle();
	assert_string_equal(problem, strerror(EISDIR));
	assert_int_equal(ticket, 1);
	assert_true(store.told);
	assert_int_equal(store.wanted, STATE); /* by itself in a while, at once where it presses */
	assert_int_equal(store.child, 0);
	assert_true(store.timer.due > loop.now + STORE_GAP_MS);
	assert_false(rmdir(path_of(".autoheal.tmp")));
	assert_int_equal(store_want(&store, 0, true), 2);
	settle();
	assert_string_equal(problem, "");
	assert_false(store.told);
	assert_string_equal(get("state.json"), OWN "first\n");
}

/* A pipe that nobody reads stands in for a disk that sleeps. */
static void test_a_child_that_hangs_is_told_and_ended(void **state)
{
	(void)state;
	assert_false(mkfifo(path_of(".autoheal.tmp"), 0600));
	assert_int_equal(store_want(&store, STATE, true), 1);
	assert_int_equal(store_want(&store, STATE, false), 2);
	assert_int_equal(store.timer.due, loop.now + STORE_SLOW_MS);
	store.timer.fire(&store);
	assert_int_equal(dones, 1);
	assert_true(ticket == UINT64_MAX && problem[0]); /* whoever waits is told */
	assert_int_equal(store.timer.due, loop.now + STORE_CHILD_MS - STORE_SLOW_MS);
	assert_int_equal(store.children, 1);
	loop_cancel(&loop, &store.timer);
	store.timer.fire(&store);
	settle();
	assert_true(problem[0] && store.told);
	assert_false(unlink(path_of(".autoheal.tmp")));
	assert_int_equal(store.child, 0);
	store_want(&store, 0, true);
	settle();
	assert_string_equal(problem, "");
}

static void test_a_folder_is_one_autoheals(void **state)
{
	static struct store other;

	(void)state;
	assert_int_equal(store_open(&other, &loop, folder, &handler, &other), -EWOULDBLOCK);
	assert_int_equal(other.folder, -1);
	assert_int_equal(store_want(&other, STATE, true), 0);
	store_close(&store);
	assert_int_equal(store_open(&other, &loop, folder, &handler, &other), 0);
	store_close(&other);
	assert_int_equal(store_open(&other, &loop, "/nowhere/at/all", &handler, &other), -1);
	assert_int_equal(store_open(&other, &loop, "", &handler, &other), -1);
	assert_int_equal(store_open(&store, &loop, folder, &handler, &store), 0);
}

static void test_the_end_waits_for_what_is_wanted(void **state)
{
	(void)state;
	store_want(&store, STATE, false);
	strcpy(text[STORE_STATE], OWN "last\n");
	store_want(&store, STATE, false);
	store_close(&store);
	assert_string_equal(get("state.json"), OWN "last\n");
	assert_int_equal(store.folder, -1);
	assert_int_equal(store_open(&store, &loop, folder, &handler, &store), 0);
}

static void read_all(void *owner, struct store_sink *sink)
{
	for (int i = 0; i < 5000; i++) {
		buf_add_text(&sink->piece, owner);
		store_flush(sink, false);
	}
}

/* More than a pipe takes: it waits for whoever reads. */
static void read_ten_times_all(void *owner, struct store_sink *sink)
{
	for (int i = 0; i < 10; i++)
		read_all(owner, sink);
}

static void reap_reader(void)
{
	assert_true(store.reader > 0);
	assert_false(waitid(P_PID, (id_t)store.reader, &(siginfo_t){0}, WEXITED | WNOWAIT));
	store_reap(&store);
	assert_int_equal(store.reader, 0);
}

static void test_what_is_read_apart_comes_out_of_a_pipe(void **state)
{
	char words[] = "0123456789", bytes[4096], last = 1;
	size_t n = 0;
	ssize_t got;
	int fd = store_read_apart(&store, read_all, words);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(store_read_apart(&store, read_all, words), STORE_BUSY); /* one at a time */
	while ((got = read(fd, bytes, sizeof bytes)) > 0) {
		n += (size_t)got;
		last = bytes[got - 1];
	}
	assert_int_equal(n, 50001);
	assert_int_equal(last, STORE_READ_WHOLE);
	close(fd);
	reap_reader();
	store_read_ended(&store);
	assert_int_equal(may_reads, 1);
}

static void read_little(void *owner, struct store_sink *sink)
{
	buf_add_text(&sink->piece, owner);
}

/* Its child is gone, what it brought is not: a second one would be taken for it. */
static void test_a_reader_is_one_until_all_it_brought_was_taken(void **state)
{
	char words[] = "0123456789", bytes[64];
	int fd = store_read_apart(&store, read_little, words);

	(void)state;
	reap_reader();
	assert_int_equal(may_reads, 0);
	assert_int_equal(store_read_apart(&store, read_little, words), STORE_BUSY);
	assert_int_equal(read(fd, bytes, sizeof bytes), sizeof words);
	close(fd);
	store_read_ended(&store);
	assert_int_equal(may_reads, 1);
	fd = store_read_apart(&store, read_little, words);
	assert_true(fd >= 0);
	close(fd);
	store_read_ended(&store);
	reap_reader();
}

static void read_nothing(void *owner, struct store_sink *sink)
{
	(void)owner;
	(void)sink;
	pause();
}

/* For the disk, say. */
static void test_a_reader_that_hangs_is_not_waited_for(void **state)
{
	int fd = store_read_apart(&store, read_nothing, NULL);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	store_read_ended(&store);
	assert_int_equal(may_reads, 0);
	assert_int_equal(store_read_apart(&store, read_nothing, NULL), STORE_BUSY);
	reap_reader();
	assert_int_equal(may_reads, 1);
}

static void test_a_reader_that_is_killed_does_not_bring_the_last_byte(void **state)
{
	char words[] = "0123456789", bytes[4096], last = 0;
	ssize_t got;
	int fd = store_read_apart(&store, read_ten_times_all, words);

	(void)state;
	while ((got = read(fd, bytes, sizeof bytes)) > 0) {
		kill(store.reader, SIGKILL);
		last = bytes[got - 1];
	}
	assert_true(last != STORE_READ_WHOLE);
	close(fd);
	reap_reader();
	store_read_ended(&store);
	assert_int_equal(may_reads, 1);
}

static void test_where_no_process_can_be_begun_it_is_told_at_once(void **state)
{
	(void)state;
	no_process = true;
	assert_int_equal(store_read_apart(&store, read_nothing, NULL), -1);
	assert_int_equal(store_want(&store, STATE, true), 1);
	assert_int_equal(dones, 0); /* whoever asked knows his ticket by then */
	assert_true(store.timer.place && store.timer.due == loop.now);
	store_reap(&store);
	loop_cancel(&loop, &store.timer);
	store.timer.fire(&store);
	assert_int_equal(dones, 1);
	assert_int_equal(ticket, 1);
	assert_string_equal(problem, strerror(EAGAIN));
	no_process = false;
	assert_int_equal(store_want(&store, 0, true), 2);
	settle();
	assert_string_equal(problem, "");
}

#define IN_A_FOLDER(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_FOLDER(what_is_wanted_is_written),
	    IN_A_FOLDER(a_newer_text_waits_and_takes_the_place_of_the_one_waiting),
	    IN_A_FOLDER(what_does_not_press_waits_a_while),
	    IN_A_FOLDER(events_are_appended),
	    IN_A_FOLDER(events_are_rotated),
	    IN_A_FOLDER(a_foreign_file_is_never_touched),
	    IN_A_FOLDER(a_file_of_ours_is_opened_or_set_aside),
	    IN_A_FOLDER(a_failure_is_told_and_tried_again),
	    IN_A_FOLDER(a_child_that_hangs_is_told_and_ended),
	    IN_A_FOLDER(a_folder_is_one_autoheals),
	    IN_A_FOLDER(the_end_waits_for_what_is_wanted),
	    IN_A_FOLDER(what_is_read_apart_comes_out_of_a_pipe),
	    IN_A_FOLDER(a_reader_is_one_until_all_it_brought_was_taken),
	    IN_A_FOLDER(a_reader_that_hangs_is_not_waited_for),
	    IN_A_FOLDER(a_reader_that_is_killed_does_not_bring_the_last_byte),
	    IN_A_FOLDER(where_no_process_can_be_begun_it_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

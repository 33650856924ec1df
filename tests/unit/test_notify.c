/* test_notify.c - what notify.h promises of targets and of a test message; no byte is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../notify.c"
#include "config_json.h"

#define SERVICE "http://127.0.0.1:9/"

static struct loop loop;
static struct call_workspace workspace;
static struct settings settings;
static struct notify notify;
static char error[400];

/* notify: the value of AUTOHEAL_NOTIFY. */
static void begin_with(const char *list)
{
	static struct config config;
	static char entry[2048]; /* the settings point into it */
	char *environment[] = {entry, NULL};

	text_print(entry, sizeof(entry), "AUTOHEAL_NOTIFY=%s", list);
	assert_int_equal(config_init(&config, environment, error, sizeof(error), NULL), 0);
	settings = config.now;
	loop_init(&loop);
	memset(&notify, 0, sizeof(notify));
}

static void many(char *out, size_t cap, int count)
{
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += (size_t)text_print(out + n, cap - n, "%s" SERVICE "%d", i ? "," : "", i);
}

/* ---- targets ---------------------------------------------------------------------------------- */

static void test_a_full_list_leaves_the_heartbeat_its_place(void **state)
{
	char list[1024];

	(void)state;
	for (int count = NOTIFY_TARGETS_MAX - 1; count < NOTIFY_TARGETS_MAX + 3; count++) {
		many(list, sizeof(list), count);
		begin_with(list);
		settings.heartbeat_url = "http://127.0.0.1:9/beat";
		if (notify_init(&notify, &loop, &workspace, &settings, error, sizeof(error)))
			fail_msg("%s", error);
		assert_int_equal(
		    notify.count, (count < NOTIFY_TARGETS_MAX ? count : NOTIFY_TARGETS_MAX) + 1);
		assert_non_null(notify.heartbeat);
		/* and once more, where all of them are there already */
		assert_int_equal(notify_read(&notify, error, sizeof(error)), 0);
		assert_non_null(notify.heartbeat);
		notify_beat(&notify);
		assert_int_equal(notify.heartbeat->waiting, 1);
		notify_close(&notify);
	}
}

/* ---- a test message ----------------------------------------------------------------------------- */

static int ends;
static const char *ended_with;

static void trial_ended(void *owner, bool good, int status, const char *kind)
{
	(void)owner;
	assert_false(good || status);
	ends++;
	ended_with = kind;
}

static struct notify_trial trial;

/* The URL's memory is gone as soon as this has returned, as that of the settings is after a change of them. */
static void try_one(const char *text)
{
	struct config_service service = {.enabled = true};
	char *url = strdup(text);

	assert_non_null(url);
	service.url = span_of(url);
	ends = 0;
	trial = (struct notify_trial){.done = trial_ended};
	assert_true(notify_try(&notify, &service, &trial));
	free(url);
}

static void test_it_outlives_the_settings_it_was_taken_from(void **state)
{
	static const char *const urls[] = {
	    " ntfy://user:word@127.0.0.1:9/topic?x=1 ", "telegram://1:token@telegram?chats=7,8"};

	(void)state;
	begin_with("");
	assert_int_equal(notify_init(&notify, &loop, &workspace, &settings, error, sizeof(error)), 0);
	for (size_t i = 0; i < 2; i++) {
		const struct notify_target *t;
		struct buf request;

		try_one(urls[i]);
		t = trial.target;
		buf_init(&request, NOTICE_REQUEST_MAX);
		notice_request(&t->to, &t->current->words,
		    (struct span){t->current->json, t->current->json_n}, &request);
		assert_false(request.failed);
		assert_non_null(memmem(request.p, request.n, i ? "token" : "topic", 5));
		buf_free(&request);
		notify_cancel(&trial);
	}
	assert_int_equal(ends, 0);
	notify_close(&notify);
}

static void test_it_does_not_wait_for_ever(void **state)
{
	int waits = 0;

	(void)state;
	begin_with("");
	assert_int_equal(notify_init(&notify, &loop, &workspace, &settings, error, sizeof(error)), 0);
	try_one(SERVICE);
	notify.under_way = notify.most;
	while (!ends && waits++ < 100)
		begin_next(trial.target);
	assert_int_equal(ends, 1);
	assert_string_equal(ended_with, "too many notices are on their way");
	assert_in_range(waits * NOTIFY_BACKOFF_MS, NOTIFY_ANSWER_MS, NOTIFY_ANSWER_MS + 2000);
	notify.under_way = 0;
	notify_close(&notify);
}

static void test_what_cannot_be_read_is_not_tried(void **state)
{
	struct config_service service = {.url = span_of("ftp://127.0.0.1/"), .enabled = true};

	(void)state;
	begin_with("");
	assert_int_equal(notify_init(&notify, &loop, &workspace, &settings, error, sizeof(error)), 0);
	trial = (struct notify_trial){.done = trial_ended};
	assert_false(notify_try(&notify, &service, &trial));
	assert_null(trial.target);
	notify_close(&notify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_full_list_leaves_the_heartbeat_its_place),
	    cmocka_unit_test(test_it_outlives_the_settings_it_was_taken_from),
	    cmocka_unit_test(test_it_does_not_wait_for_ever),
	    cmocka_unit_test(test_what_cannot_be_read_is_not_tried),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}

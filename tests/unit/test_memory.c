/* test_memory.c - what memory.h promises: what is written is read back, and nothing that is read does harm. */
#include "story.h"

#include "loop.h"
#include "memory.h"

static struct policy other; /* the one after autoheal's end */
static struct buf text;
static jsmntok_t tokens[JSON_TOKENS_MAX];

static int clean(void **state)
{
	buf_free(&text);
	policy_free(&other);
	return teardown(state);
}
#define REMEMBERS(name) cmocka_unit_test_teardown(test_##name, clean)

static struct memory_clock at(int64_t wall)
{
	return (struct memory_clock){.now = s.now, .wall = wall};
}

#define WALL 1800000000000ll

static struct json parsed(void)
{
	struct json j;
	size_t wrong;

	assert_false(text.failed);
	assert_true(json_valid((struct span){text.p, text.n}, &wrong));
	assert_false(json_parse(&j, (struct span){text.p, text.n}, tokens, JSON_TOKENS_MAX));
	return j;
}

static void text_is(const char *words)
{
	buf_free(&text);
	buf_init(&text, 65536);
	buf_add_text(&text, words);
}

static void print_web(void)
{
	struct memory_clock clock = at(WALL);

	buf_free(&text);
	buf_init(&text, 65536);
	memory_print_identity(&text, &s.policy, &clock, web->identity, "local");
}

/* Reads `text` into a policy that begins at `now`, when the wall clock says `wall`. */
static struct identity *read_at(uint64_t now, int64_t wall)
{
	struct memory_clock clock = {.now = now, .wall = wall};
	struct memory_head head = {0};
	char host[MEMORY_HOST_MAX];
	struct json j = parsed();
	struct identity *identity;

	policy_free(&other);
	other = (struct policy){0};
	policy_init(&other, &s.settings, now, 7, 1);
	identity = memory_read(&other, &clock, &j, &head, host);
	if (identity)
		assert_string_equal(host, "local");
	return identity;
}

static struct identity *read_text(const char *words)
{
	text_is(words);
	return read_at(s.now, WALL);
}

/* ---- state ------------------------------------------------------------------------------------- */

static void test_the_trouble_of_an_identity_is_read_back(void **state)
{
	const uint64_t later = SIM_BEGINS + 3 * HOUR;
	struct identity *identity;
	const struct heal *before, *after;

	(void)state;
	begin("AUTOHEAL_BACKOFF=false", NULL);
	web->identity->announced = true;
	healed(web);
	wait_for(5 * SECOND);
	sick(web);
	wait_for(MINUTE);
	still_sick(web);
	expect("not_recovered:relapsed, INSPECT, RESTART");
	before = web->identity->heal;
	print_web();
	identity = read_at(later, WALL + 2000);
	assert_non_null(identity);
	after = identity->heal;
	assert_string_equal(identity->name, "web");
	assert_int_equal(identity->restarts, 2);
	assert_true(identity->announced && identity->choice == CHOICE_LABEL && after->kept);
	assert_memory_equal(after->of, web->id, 32);
	assert_int_equal(after->phase, STATE_RESTARTING);
	assert_int_equal(after->incident, before->incident);
	assert_true(after->open && after->acted && !after->quarantined && !after->start_only);
	assert_int_equal(after->failures, 1);
	assert_int_equal(after->patience, 2);
	/* two seconds went by */
	assert_int_equal(later - after->requested, 2000);
	assert_int_equal(later - after->detected, s.now - before->detected + 2000);
	assert_int_equal(later - after->answered, s.now - before->answered + 2000);
	assert_int_equal(after->deadline - later, before->deadline - s.now - 2000);
	assert_int_equal(policy_next(&other), NEVER);
	assert_true(identity->forget_at == UINT64_MAX && !identity->holder);
}

static void test_what_was_counted_in_the_window_is_counted_on(void **state)
{
	struct identity *identity;
	size_t count = 0;

	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=9", "AUTOHEAL_COOLDOWN=0", "AUTOHEAL_BACKOFF=false", NULL);
	for (int i = 0; i < 3; i++) {
		healed(web);
		wait_for(3 * MINUTE);
	}
	print_web();
	identity = read_at(s.now, WALL + 5000);
	for (size_t i = 0; i < CONFIG_RESTARTS_MAX; i++)
		count += identity->heal->restarts[i] != 0;
	assert_int_equal(count, 3);
	assert_int_equal(identity->heal->restarts_at, 3);
	/* 9 min and 5 s ago, to the second */
	assert_in_range(other.containers.epoch + (identity->heal->restarts[0] - 1) * SECOND,
	    s.now - 547 * SECOND, s.now - 543 * SECOND);
}

static void test_what_has_nothing_to_say_is_not_kept(void **state)
{
	(void)state;
	begin(NULL);
	assert_false(memory_is_worth(web->identity));
	web->identity->announced = true;
	assert_true(memory_is_worth(web->identity));
	print_web();
	assert_null(memmem(text.p, text.n, "container", 9));
	assert_null(read_at(s.now, WALL)->heal);
	web->identity->announced = false;
	web->identity->restarts = 1;
	assert_true(memory_is_worth(web->identity));
}

static void test_one_that_is_gone_is_forgotten_a_day_after_that(void **state)
{
	struct identity *identity = NULL;

	(void)state;
	begin(NULL);
	healed(web);
	identity = web->identity;
	policy_forget(&s.policy, web, true, s.now);
	wait_for(HOUR);
	buf_init(&text, 65536);
	memory_print_identity(
	    &text, &s.policy, &(struct memory_clock){s.now, WALL}, identity, "local");
	identity = read_at(LOOP_BEGINS, WALL + 22 * 3600 * 1000);
	assert_non_null(identity);
	containers_sweep(&other.containers, LOOP_BEGINS);
	assert_non_null(containers_identity(&other.containers, span_of("web"), false));
	containers_sweep(&other.containers, LOOP_BEGINS + HOUR + MINUTE);
	assert_null(containers_identity(&other.containers, span_of("web"), false));
}

static void test_a_clock_that_jumped_does_no_harm(void **state)
{
	static const int64_t jumps[] = {
	    0, 1, -1, 86400000, -86400000, 1000ll * 86400 * 366 * 30, -WALL + 1, INT64_MAX / 4};

	(void)state;
	begin(NULL);
	healed(web);
	sick(web);
	expect("not_recovered:relapsed");
	print_web();
	for (size_t i = 0; i < COUNT(jumps); i++) {
		const struct heal *h = read_at(s.now, WALL + jumps[i])->heal;

		assert_in_range(h->requested, 1, s.now);
		assert_in_range(h->answered, 1, s.now);
		assert_in_range(h->failed, 1, s.now);
		assert_in_range(h->detected, 1, s.now);
		assert_true(h->retry_at <= s.now + s.settings.quarantine_retry);
		assert_true(h->probation_until <= s.now + s.settings.recovery_timeout);
		assert_true(h->deadline <= s.now + POLICY_ANSWER_FOREVER_MS);
	}
}

static void test_a_machine_that_has_just_booted_knows_of_before(void **state)
{
	(void)state;
	begin(NULL);
	healed(web);
	print_web();
	/* the loop's clock has no words for it: long ago is as far as it goes */
	assert_int_equal(read_at(1000, WALL + 5000)->heal->answered, 1);
	assert_int_equal(
	    read_at(LOOP_BEGINS + 1000, WALL + 5000)->heal->answered, LOOP_BEGINS - 4000);
}

static void test_nonsense_is_left_out(void **state)
{
	static const char *const words[] = {"{}", "{\"id\":7}", "{\"id\":\"\"}", "[]", "[1]", "7",
	    "\"web\"", "null", "{\"id\":null,\"times\":[]}", "{\"seq\":-1}"};
	const struct heal *h;

	(void)state;
	begin(NULL);
	for (size_t i = 0; i < COUNT(words); i++)
		assert_null(read_text(words[i]));
	assert_null(read_text("{\"id\":\"web\",\"host\":\"local\",\"restarts\":-3}")->heal);
	h = read_text(
	    "{\"id\":\"web\",\"host\":\"local\",\"restarts\":4294967296,\"announced\":2,"
	    "\"container\":\"zz\",\"times\":[-1,\"x\",null,99e9,1800000000000],"
	    "\"phase\":6,\"cause\":9,\"bond\":250,\"patience\":0,\"failures\":-1,"
	    "\"longest\":1.5,\"told\":70000,\"open\":7,\"requested\":\"soon\",\"incident\":-5,"
	    "\"deadline\":9223372036854775807,\"snoozed_until\":9223372036854775807}")
		->heal;
	assert_int_equal(h->phase, 0);
	assert_int_equal(h->cause, 0);
	assert_int_equal(h->bond, BOND_NONE);
	assert_int_equal(h->patience, 1);
	assert_int_equal(h->failures, 0);
	assert_int_equal(h->told, 0);
	assert_int_equal(h->requested, 0);
	assert_int_equal(h->incident, 0);
	assert_int_equal(h->restarts_at, 1); /* one time of the five is one */
	assert_int_equal(h->snoozed_until, s.now + CONTAINERS_PAST_MS);
	assert_false(h->open);
	assert_int_equal(other.containers.identities, 1);
}

static void test_the_head_is_read_back(void **state)
{
	struct memory_head head = {.seq = 77,
			       .incident = 5000000000,
			       .maintenance = true,
			       .maintenance_since = WALL - 5,
			       .maintenance_until = WALL + 5},
			   back = {0};
	struct memory_clock clock;
	char host[MEMORY_HOST_MAX];
	struct json j;

	(void)state;
	begin(NULL);
	clock = at(WALL);
	for (int i = 0; i < 2; i++) {
		buf_free(&text);
		buf_init(&text, 4096);
		memory_print_head(&text, &head);
		j = parsed();
		assert_null(memory_read(&s.policy, &clock, &j, &back, host));
		assert_int_equal(back.seq, 77);
		assert_int_equal(back.incident, 5000000000);
		assert_int_equal(back.maintenance, head.maintenance);
		assert_int_equal(back.maintenance_since, head.maintenance_since);
		assert_int_equal(back.maintenance_until, head.maintenance_until);
		head.maintenance = false;
		head.maintenance_since = head.maintenance_until = 0;
	}
}

static void test_a_file_of_ours_is_known_by_how_it_begins(void **state)
{
	static const struct {
		const char *begin;
		bool own;
	} files[] = {{"{\"autoheal\":1}", true}, {"{\"autoheal\":1,", true},
	    {"{\"autoheal\":1", false}, {"{\"autoheal\":12,", false}, {"{\"autoheal\":2}", false},
	    {"", false}, {"{", false}, {" {\"autoheal\":1}", false},
	    {"{\"monitor\":{},\"autoheal\":1}", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		assert_int_equal(memory_is_own(span_of(files[i].begin)), files[i].own);
	assert_true(memory_is_own(span_of(MEMORY_STATE_BEGINS)));
	assert_true(memory_is_own(span_of(MEMORY_EVENTS_BEGINS)));
}

static void test_what_nobody_took_up_is_kept_and_what_was_taken_up_is_not(void **state)
{
	struct identity *identity;

	(void)state;
	begin("AUTOHEAL_BACKOFF=false", NULL);
	sick(web);
	expect("RESTART");
	print_web();
	identity = read_at(s.now, WALL);
	/* written again before any list has come */
	for (int taken = 0; taken < 2; taken++) {
		identity->heal->kept = !taken;
		buf_free(&text);
		buf_init(&text, 65536);
		memory_print_identity(
		    &text, &other, &(struct memory_clock){s.now, WALL}, identity, "local");
		identity = read_at(s.now, WALL);
		assert_int_equal(identity->heal->phase, taken ? STATE_WATCHING : STATE_RESTARTING);
		assert_true(identity->forget_at == UINT64_MAX);
	}
}

/* ---- config ------------------------------------------------------------------------------------ */

static void test_what_people_chose_is_read_back_and_what_a_label_chose_is_not(void **state)
{
	static const struct {
		const char *name;
		enum watch_choice choice;
	} names[] = {{"db", CHOICE_PERSON}, {"web", CHOICE_LABEL},
	    {"say \"hi\"\n", CHOICE_EXCLUDED}, {"x", CHOICE_NONE}};
	struct healthchecks given = {0}, checks = {0};
	struct healthcheck one = {.container = "db",
	    .check = {
		.kind = CHECK_TCP, .port = 5432, .interval = 1000, .timeout = 1000, .retries = 1}};
	struct json j;

	(void)state;
	begin(NULL);
	assert_null(healthchecks_put(&given, &one));
	for (size_t i = 0; i < COUNT(names); i++)
		containers_identity(&s.policy.containers, span_of(names[i].name), true)->choice =
		    names[i].choice;
	buf_init(&text, 4096);
	memory_print_config(&text, &s.policy.containers, &given);
	assert_true(memory_is_own((struct span){text.p, text.n}));
	j = parsed();
	policy_init(&other, &s.settings, s.now, 7, 1);
	assert_true(memory_read_config(&other.containers, &checks, &j));
	assert_int_equal(checks.count, 1);
	assert_int_equal(healthchecks_find(&checks, "db")->check.port, 5432);
	healthchecks_free(&checks);
	healthchecks_free(&given);
	assert_int_equal(other.containers.identities, 2);
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct identity *identity = containers_identity(
		    &other.containers, span_of(names[i].name), false);

		assert_int_equal(identity ? (enum watch_choice)identity->choice : CHOICE_NONE,
		    names[i].choice == CHOICE_LABEL ? CHOICE_NONE : names[i].choice);
	}
}

static void test_a_config_without_sense_chooses_nothing(void **state)
{
	static const char *const words[] = {"{\"autoheal\":1}", "{\"containers\":[]}",
	    "{\"containers\":{\"selected\":{\"a\":1},\"excluded\":\"b\"}}",
	    "{\"containers\":{\"selected\":[1,null,{},\"\"]}}",
	    "{\"custom_health_checks\":[1,null,{},{\"container_id\":\"a\",\"check_type\":\"x\"}]}"};
	struct healthchecks checks = {0};

	(void)state;
	begin(NULL);
	for (size_t i = 0; i < COUNT(words); i++) {
		struct json j;

		text_is(words[i]);
		j = parsed();
		policy_init(&other, &s.settings, s.now, 7, 1);
		assert_true(memory_read_config(&other.containers, &checks, &j));
		assert_int_equal(other.containers.identities, 0);
		assert_int_equal(checks.count, 0);
		policy_free(&other);
	}
}

/* ---- events ------------------------------------------------------------------------------------ */

static void print_event(const struct audit_event *e)
{
	struct json_writer w;

	buf_free(&text);
	buf_init(&text, 65536);
	json_start(&w, &text);
	audit_print(&w, e);
}

static void test_an_event_is_read_back_as_it_was(void **state)
{
	static const uint8_t id[32] = {1, 2, 0xfe};
	struct audit_event events[] = {{.seq = 9,
					   .wall = WALL + 789,
					   .kind = AUDIT_RESTART,
					   .id = id,
					   .restart_count = 3,
					   .exit_code = 137,
					   .duration_ms = 0,
					   .incident = 0x19f3a2b4c5d,
					   .status = span_of("success"),
					   .name = span_of("web"),
					   .message = span_of("\"quoted\"\n\x1b and more"),
					   .host = span_of("local"),
					   .stable_id = span_of("shop_web"),
					   .reason = span_of("unhealthy"),
					   .action = span_of("restart")},
	    {.seq = 1,
		.wall = WALL,
		.kind = AUDIT_CONFIG,
		.exit_code = INT32_MIN,
		.duration_ms = -1,
		.status = span_of("changed")}};
	static struct memory_event back;

	(void)state;
	for (size_t i = 0; i < COUNT(events); i++) {
		struct buf first;
		struct json j;

		print_event(&events[i]);
		j = parsed();
		assert_true(memory_read_event(&j, &back));
		first = text;
		text = (struct buf){0};
		print_event(&back.event);
		assert_int_equal(text.n, first.n);
		assert_memory_equal(text.p, first.p, first.n);
		assert_true(!back.event.id == !events[i].id);
		buf_free(&first);
	}
}

static void test_a_line_that_is_no_event_is_not_read(void **state)
{
	static const char *const words[] = {"{\"autoheal\":1}", "{}",
	    "{\"seq\":0,\"event_type\":\"restart\",\"timestamp\":\"2025-10-30T12:35:23.789Z\"}",
	    "{\"seq\":1,\"event_type\":\"resurrection\",\"timestamp\":\"2025-10-30T12:35:23.789Z\"}",
	    "{\"seq\":1,\"event_type\":\"restart\",\"timestamp\":\"yesterday\"}"};
	static struct memory_event back;

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct json j;

		text_is(words[i]);
		j = parsed();
		assert_false(memory_read_event(&j, &back));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    REMEMBERS(the_trouble_of_an_identity_is_read_back),
	    REMEMBERS(what_was_counted_in_the_window_is_counted_on),
	    REMEMBERS(what_has_nothing_to_say_is_not_kept),
	    REMEMBERS(one_that_is_gone_is_forgotten_a_day_after_that),
	    REMEMBERS(a_clock_that_jumped_does_no_harm),
	    REMEMBERS(a_machine_that_has_just_booted_knows_of_before),
	    REMEMBERS(nonsense_is_left_out),
	    REMEMBERS(what_nobody_took_up_is_kept_and_what_was_taken_up_is_not),
	    REMEMBERS(the_head_is_read_back),
	    REMEMBERS(a_file_of_ours_is_known_by_how_it_begins),
	    REMEMBERS(what_people_chose_is_read_back_and_what_a_label_chose_is_not),
	    REMEMBERS(a_config_without_sense_chooses_nothing),
	    REMEMBERS(an_event_is_read_back_as_it_was),
	    REMEMBERS(a_line_that_is_no_event_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

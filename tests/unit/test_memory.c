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
	struct json_writer w;
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
	json_start(&w, &text);
	json_print(&w, "{ autoheal %u", 1u);
	memory_print_config(&w, &s.policy.containers, &given);
	json_close(&w, '}');
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

/* ---- incidents --------------------------------------------------------------------------------- */

static struct incidents kept, back;
static const char host[] = "nas";

static int clean_incidents(void **state)
{
	incidents_free(&kept);
	incidents_free(&back);
	return clean(state);
}
#define KEEPS(name) cmocka_unit_test_teardown(test_##name, clean_incidents)

static void print_incident(const struct incident *i)
{
	struct json_writer w;

	buf_free(&text);
	buf_init(&text, 65536);
	json_start(&w, &text);
	incident_print(&w, i, true);
}

/* One with all that there may be. */
static struct incident *a_long_story(uint64_t id)
{
	static const uint8_t container[32] = {7};
	static const char *const outputs[] = {"connection \"refused\"\n\x1b[31m", "", "\xc3\xa9"};
	struct incident what = {
	    .id = id, .opened = WALL, .cause = "unhealthy", .detected_by = "event", .host = host};
	struct incident *i = incidents_open(&kept, &what, span_of("web"), span_of("shop_web"));
	struct evidence *e = incidents_evidence(&kept, i);
	size_t used = 0;

	for (int n = 0; n < 11; n++) {
		struct audit_event told = {.kind = AUDIT_RESTART,
		    .wall = WALL + n,
		    .status = span_of(n % 2 ? "success" : "failure"),
		    .action = span_of("restart"),
		    .message = span_of("No such \x02 container")};

		incident_asked(i, 0, container, "restart", WALL + n);
		incident_told(i, &told, 1200 + n);
	}
	e->inspected = e->oom_killed = true;
	e->exit_code = 137;
	for (size_t k = 0; k < COUNT(outputs); k++) {
		e->probes[k].end = WALL - 1000 + (int64_t)k;
		e->probes[k].exit_code = 1 + (int32_t)k;
		e->probes[k].length = (uint16_t)strlen(outputs[k]);
		memcpy(e->outputs + used, outputs[k], strlen(outputs[k]));
		used += strlen(outputs[k]);
		e->probes_count++;
	}
	evidence_add_log(e, span_of("starting\nout of handles\n"));
	return i;
}

static void read_back(void)
{
	struct json j = parsed();

	memory_read_incident(&back, &j, host);
}

static void test_an_incident_is_read_back_as_it_was(void **state)
{
	struct incident *i = a_long_story(0x1a2b);
	char once[8192];

	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		if (closed) {
			struct audit_event told = {
			    .kind = AUDIT_RECOVERED, .status = span_of("healthy")};

			incident_told(i, &told, 0);
			incident_close(&kept, i, WALL + 4600, 4600);
		}
		print_incident(i);
		assert_true(text.n < sizeof(once));
		memcpy(once, text.p, text.n);
		read_back();
		assert_int_equal(back.count, 1);
		read_back(); /* a second one of that number is none */
		assert_int_equal(back.count, 1);
		print_incident(back.list[0]);
		assert_memory_equal(once, text.p, text.n);
		incidents_free(&back);
	}
}

static void test_one_without_evidence_is_read_back_too(void **state)
{
	struct incident what = {.id = 5, .opened = WALL, .cause = "crash", .host = host};

	(void)state;
	print_incident(incidents_open(&kept, &what, span_of("a"), span_of("b")));
	read_back();
	assert_int_equal(back.count, 1);
	assert_null(back.list[0]->evidence);
	assert_null(back.list[0]->detected_by);
	assert_int_equal(back.list[0]->closed, 0);
}

/* More than there is room for, in every place where there may be much. */
static void test_an_incident_beyond_all_bounds(void **state)
{
	static const char *const words[] = {"{\"id\":\"1\",\"opened\":\"2025-10-30T12:35:23.789Z\"}",
	    "{\"id\":\"\",\"stable_id\":\"a\",\"opened\":\"2025-10-30T12:35:23.789Z\"}",
	    "{\"id\":\"1\",\"stable_id\":\"a\",\"opened\":\"soon\"}", "{}", "[]", "7"};

	(void)state;
	for (size_t k = 0; k < COUNT(words); k++) {
		text_is(words[k]);
		read_back();
		assert_int_equal(back.count, 0);
	}
	buf_free(&text);
	buf_init(&text, 1 << 20);
	buf_add_text(&text, "{\"id\":\"ffffffffffffffffff\",\"stable_id\":\"");
	for (int k = 0; k < 2000; k++)
		buf_add_text(&text, "\\u0000\\ud800");
	buf_add_text(&text,
	    "\",\"opened\":\"2025-10-30T12:35:23.789Z\",\"closed\":\"2024-10-30T12:35:23.789Z\","
	    "\"cause\":\"lunch\",\"outcome\":7,\"actions_left_out\":-5,\"actions\":[0");
	for (int k = 0; k < 50; k++)
		buf_add_text(&text,
		    ",{\"at\":\"2025-10-30T12:35:23.789Z\",\"action\":\"start\",\"status\":[],"
		    "\"duration_ms\":99999999999999999999,\"error\":\"x\"}");
	buf_add_text(
	    &text, "],\"evidence\":{\"exit_code\":1e99,\"oom_killed\":\"yes\",\"probes\":[{}");
	for (int k = 0; k < 50; k++) {
		buf_add_text(&text, ",{\"end\":8,\"exit_code\":5,\"output\":\"");
		for (int n = 0; n < 100; n++)
			buf_add_text(&text, "0123456789");
		buf_add_text(&text, "\"}");
	}
	buf_add_text(&text, "],\"log\":\"");
	for (int n = 0; n < 1000; n++)
		buf_add_text(&text, "0123456789");
	buf_add_text(&text, "\"}}");
	read_back();
	assert_int_equal(back.count, 1);
	assert_int_equal(back.list[0]->actions, INCIDENT_ACTIONS_MAX);
	assert_int_equal(back.list[0]->took, 0);
	assert_int_equal(back.list[0]->evidence->probes_count, EVIDENCE_PROBES_MAX);
	print_incident(back.list[0]);
	parsed();
}

/* A file's element with a byte changed or cut away does no harm, whatever it becomes. */
static void test_incidents_with_wrong_bytes(void **state)
{
	char whole[8192];
	size_t n;
	struct json j;

	(void)state;
	print_incident(a_long_story(77));
	n = text.n;
	memcpy(whole, text.p, n);
	for (unsigned turn = 0; turn < 4000; turn++) {
		char *copy = malloc(n);
		size_t at = (turn * 2654435761u) % n, size = turn % 3 ? n : at;

		memcpy(copy, whole, n);
		copy[at] = "\"{}[]0,:\\x\0"[turn % 11];
		if (!json_parse(&j, (struct span){copy, size}, tokens, JSON_TOKENS_MAX))
			memory_read_incident(&back, &j, host);
		for (size_t k = 0; k < back.count; k++)
			print_incident(back.list[k]);
		incidents_free(&back);
		free(copy);
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
	    KEEPS(an_incident_is_read_back_as_it_was),
	    KEEPS(one_without_evidence_is_read_back_too),
	    KEEPS(an_incident_beyond_all_bounds),
	    KEEPS(incidents_with_wrong_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

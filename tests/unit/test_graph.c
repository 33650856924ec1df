/* test_graph.c - what hangs on what: reading network modes and depends_on labels, the edges of a list, and what the
 * policy makes of them. */
#include "story.h"

/* ---- reading ---------------------------------------------------------------------------------- */

static void test_network_mode(void **state)
{
	static const char *const others[] = {"", "none", "host", "bridge", "default",
	    "container:", "container:web", "container:00112233", "service:web",
	    "container:zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	    "Container:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	    "container:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0"};
	uint8_t id[32];

	(void)state;
	assert_true(graph_network_parent(
	    span_of("container:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
	    id));
	assert_int_equal(id[1], 0x11);
	assert_int_equal(id[31], 0xff);
	for (size_t i = 0; i < COUNT(others); i++)
		assert_false(graph_network_parent(span_of(others[i]), id));
}

static void test_depends_on_label(void **state)
{
	static const struct {
		const char *label;
		const char *with_restart; /* services */
	} table[] = {
	    {"db:service_healthy:true", "db"},
	    {"db:service_healthy:true,cache:service_started:false", "db"},
	    {"a:service_started:false,b:service_healthy:true,c:service_completed_successfully:true",
		"b c"},
	    {" db : service_healthy : true ", "db"},
	    {"db:service_healthy:false", ""},
	    {"db:service_healthy", ""},
	    {"db", ""},
	    {"db:service_healthy:True", ""},
	    {"db:service_healthy:true:more", ""},
	    {"db::true", ""},
	    {":,:,,,", ""},
	    {"", ""},
	};
	struct span rest, service;
	char found[64];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		rest = span_of(table[i].label);
		found[0] = 0;
		while (graph_next_service(&rest, &service))
			snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s",
			    *found ? " " : "", (int)service.n, service.p);
		assert_string_equal(found, table[i].with_restart);
	}
	assert_true(graph_depends_on(span_of("a:x:false,db:x:true"), span_of("db")));
	assert_false(graph_depends_on(span_of("a:x:false,db:x:true"), span_of("a")));
	assert_false(graph_depends_on(span_of("dbx:x:true"), span_of("db")));
}

static void test_edges_are_those_of_the_last_whole_list(void **state)
{
	struct graph g = {0};
	struct graph_edge edge;
	uint8_t child[32] = {1}, parent[32] = {2};
	size_t at = 0;

	(void)state;
	assert_false(graph_next(&g, &at, &edge));
	graph_begin(&g);
	graph_add(&g, child, BOND_NETWORK, (struct span){(char *)parent, 32});
	graph_add(&g, child, BOND_DEPENDS, span_of("shop_db"));
	assert_false(graph_next(&g, &at, &edge));
	assert_true(graph_end(&g));
	graph_begin(&g); /* the next list is on its way, and breaks off */
	assert_true(graph_next(&g, &at, &edge));
	assert_int_equal(edge.bond, BOND_NETWORK);
	assert_memory_equal(edge.child, child, 32);
	assert_memory_equal(edge.parent.p, parent, 32);
	assert_true(graph_next(&g, &at, &edge));
	assert_int_equal(edge.bond, BOND_DEPENDS);
	assert_true(span_is(edge.parent, "shop_db"));
	assert_false(graph_next(&g, &at, &edge));
	graph_free(&g);
}

static void test_edges_have_a_bound(void **state)
{
	struct graph g = {0};
	struct graph_edge edge;
	uint8_t id[32] = {1};
	size_t at = 0, count = 0;

	(void)state;
	graph_begin(&g);
	for (int i = 0; i < 10000; i++)
		graph_add(&g, id, BOND_NETWORK, (struct span){(char *)id, 32});
	assert_false(graph_end(&g));
	while (graph_next(&g, &at, &edge))
		count++;
	assert_in_range(count, 400, 600);
	graph_free(&g);
}

/* ---- the policy ------------------------------------------------------------------------------- */

static struct container *child;
static struct graph graph;

/* web, and a child of it. */
#define family(...) \
	do { \
		begin(__VA_ARGS__); \
		graph_free(&graph); \
		s.policy.engines[0].graph = &graph; \
		child = known("child"); \
	} while (0)

static void hangs(const struct container *c, enum bond bond, struct container *on)
{
	struct graph *g = &graph;
	struct graph_edge edge;
	struct graph more = {0};
	size_t at = 0;

	graph_begin(&more);
	while (graph_next(g, &at, &edge))
		graph_add(&more, edge.child, edge.bond, edge.parent);
	graph_add(&more, c->id, bond,
	    bond == BOND_NETWORK ? (struct span){(char *)on->id, 32} : span_of(on->identity->name));
	graph_end(&more);
	graph_free(g);
	*g = more;
}

static void wish(struct container *c, enum bond kind, struct container *on)
{
	const struct heal *h = on->identity->heal;
	struct policy_bond bond = {kind, h ? h->cascade : 0, h ? h->detected : s.now, on->name};

	if (kind == BOND_STRANDED)
		bond.since = s.now;
	sim_event(&s, c, &(struct policy_event){.kind = EVENT_PARENT, .bond = &bond});
}

static void follows(struct container *c, enum bond kind, struct container *on)
{
	wish(c, kind, on);
	turn();
}

/* What was asked for of those that hang on one since the last call. */
static unsigned asked(void)
{
	unsigned kin = s.kin;

	s.kin = 0;
	return kin;
}

#define NETWORK (1u << BOND_NETWORK)
#define DEPENDS (1u << BOND_DEPENDS)

/* The network's children at once, the others when it is healthy. */
static void test_when_they_are_looked_for(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	assert_int_equal(asked(), 0);
	restarts(web);
	assert_int_equal(asked(), 0);
	done(web);
	assert_int_equal(asked(), NETWORK);
	happens(web, EVENT_HEALTHY);
	assert_int_equal(asked(), DEPENDS);
	expect("RESTART, restart:success, recovered:healthy");
}

static void test_not_when_its_heal_fails(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	assert_int_equal(asked(), NETWORK);
	dies(web, 1);
	assert_int_equal(asked(), 0);
	begin(NULL);
	sick(web);
	refused(web);
	happens(web, EVENT_HEALTHY); /* by itself: it was not restarted */
	assert_int_equal(asked(), 0);
}

static void test_without_a_healthcheck_to_run_is_enough(void **state)
{
	(void)state;
	family("AUTOHEAL_COOLDOWN=0", NULL);
	facts(child, inspected(HEALTH_NONE));
	follows(child, BOND_NETWORK, web);
	restarted(child);
	assert_int_equal(asked(), NETWORK | DEPENDS);
	wait_for(3 * MINUTE);
	facts(child, inspected(HEALTH_NONE));
	assert_int_equal(asked(), 0); /* once */
}

static void test_a_dependent_waits_for_nothing_of_its_own(void **state)
{
	(void)state;
	family("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	for (int i = 0; i < 3; i++) {
		containers_heal(web->identity)->cascade += 100; /* another restart of it */
		follows(child, BOND_NETWORK, web);
		expect("RESTART child");
		restarted(child);
		happens(child, EVENT_HEALTHY);
		expect("dependent_restart:success child, recovered:healthy child");
	}
	assert_int_equal(child->identity->restarts, 3);
	assert_false(child->identity->heal->quarantined);
}

static void test_once_in_a_cascade(void **state)
{
	(void)state;
	family(NULL);
	healed(web);
	follows(child, BOND_NETWORK, web);
	restarted(child);
	happens(child, EVENT_HEALTHY);
	expect("RESTART child, dependent_restart:success child, recovered:healthy child");
	follows(child, BOND_DEPENDS, web);
	follows(web, BOND_DEPENDS, child); /* a ring */
	expect("");
}

static void test_the_child_waits_for_its_parents_end(void **state)
{
	(void)state;
	family(NULL);
	hangs(child, BOND_NETWORK, web);
	event(child, EVENT_UNHEALTHY);
	event(web, EVENT_UNHEALTHY);
	turn();
	expect("RESTART web");
	wait_for(5 * SECOND);
	expect("");
	restarted(web);
	expect("restart:success web");
	follows(child, BOND_NETWORK, web);
	expect("RESTART child");
	restarted(child);
	happens(child, EVENT_HEALTHY);
	expect("dependent_restart:success child, recovered:healthy child");
}

/* What a person wants left alone is not healed soon: nobody waits for that. */
static void test_a_snoozed_parent_is_not_waited_for(void **state)
{
	(void)state;
	family(NULL);
	hangs(child, BOND_NETWORK, web);
	assert_true(policy_snooze(&s.policy, web->identity, s.now + HOUR, s.now));
	sick(web);
	expect("skipped:snoozed web");
	sick(child);
	expect("RESTART child");
}

static struct policy_facts crashed(void)
{
	struct policy_facts f = exited();

	f.exit_code = 1;
	f.restart_policy = RESTARTS_NEVER;
	return f;
}

/* It fell with its parent: no crash, until that is over without a restart of it. */
static void test_an_exit_with_the_parent_is_no_crash(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		family("AUTOHEAL_RESTART_MODE=both", NULL);
		hangs(child, BOND_NETWORK, web);
		sick(web);
		expect("RESTART web");
		dies(child, 1);
		wait_for(3 * SECOND);
		expect("INSPECT child");
		facts(child, crashed());
		turn();
		expect("");
		if (late) {
			restarted(web);
			happens(web, EVENT_HEALTHY); /* and it does not follow */
			expect("restart:success web, recovered:healthy web");
			wait_for(2 * SECOND);
			expect("INSPECT child");
			facts(child, crashed());
			turn();
			expect("START child");
		} else {
			restarted(web);
			expect("restart:success web");
			follows(child, BOND_NETWORK, web);
			expect("RESTART child");
			restarted(child);
			expect("dependent_restart:success child");
			assert_string_equal(s.told.reason, "dependent");
		}
	}
}

/* In quarantine too a person's stop is one, and an exit is not. */
static void test_down_in_quarantine_with_its_parent(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		family("AUTOHEAL_MAX_RESTARTS=1", NULL);
		healed(child);
		wait_for(MINUTE);
		sick(child);
		expect("not_recovered:relapsed child, quarantine:quarantined child");
		sick(web);
		if (way == 1)
			happens(child, EVENT_STOP);
		dies(child, 1);
		if (way == 2)
			happens(child, EVENT_STOP);
		restarted(web);
		forget_what_happened();
		follows(child, BOND_NETWORK, web);
		expect(way ? "" : "RESTART child");
	}
}

/* Our restart was never answered, and may begin at last: what ends the child then may be that, or a person. */
static void test_down_amid_a_late_restart_with_its_parent(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		family("AUTOHEAL_RESTART_MODE=health", NULL);
		follows(child, BOND_NETWORK, web);
		expect("RESTART child");
		if (late)
			wait_for(50 * SECOND);
		else
			restarted(child);
		sick(web);
		if (late)
			stops(child);
		else
			dies(child, 1);
		restarted(web);
		forget_what_happened();
		follows(child, BOND_NETWORK, web);
		expect(late ? "" : "RESTART child");
	}
}

/* Where crashes are left alone nothing is said of that, for it is restarted in a moment. */
static void test_an_exit_with_the_parent_is_not_told_as_left_alone(void **state)
{
	(void)state;
	for (int busy = 0; busy < 2; busy++) {
		family("AUTOHEAL_RESTART_MODE=health", NULL);
		hangs(child, BOND_NETWORK, web);
		if (busy)
			sick(web);
		s.said[0] = 0;
		dies(child, 1);
		assert_int_equal(strstr(s.said, "left alone") == NULL, busy);
		assert_non_null(strstr(policy_left_words(child), "only its health is healed"));
	}
}

/* Its parent is healthy, and the list that has it restarted is on its way. */
static void test_an_exit_is_no_crash_while_the_list_is_on_its_way(void **state)
{
	(void)state;
	for (int follow = 0; follow < 2; follow++) {
		family("AUTOHEAL_RESTART_MODE=both", NULL);
		hangs(child, BOND_NETWORK, web);
		sick(web);
		restarted(web);
		dies(child, 1);
		wait_for(1990);
		happens(web, EVENT_HEALTHY);
		wait_for(10);
		expect("RESTART web, restart:success web, recovered:healthy web, INSPECT child");
		facts(child, crashed());
		turn();
		expect("");
		if (follow) {
			follows(child, BOND_NETWORK, web);
			expect("RESTART child");
			continue;
		}
		wait_for(2 * SECOND);
		expect("INSPECT child");
		facts(child, crashed());
		turn();
		expect("START child"); /* it has not come */
	}
}

/* What falls with a second restart of its parent has not failed by itself. */
static void test_falling_again_with_the_parent_is_no_failure(void **state)
{
	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		family("AUTOHEAL_RESTART_MODE=both", "AUTOHEAL_COOLDOWN=0", "AUTOHEAL_BACKOFF=0",
		    NULL);
		hangs(child, BOND_NETWORK, web);
		healed(web);
		follows(child, BOND_NETWORK, web);
		expect("RESTART child");
		restarted(child);
		wait_for(10 * SECOND);
		if (!alone)
			sick(web);
		forget_what_happened();
		dies(child, 1);
		expect("not_recovered:exited child");
		assert_int_equal(child->identity->heal->failures, alone);
	}
}

/* Its label is about its own trouble; and who hangs on a killed one is looked for when that runs again. */
static void test_labels_of_dependents(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.action = WATCH_KILL;
	family(NULL);
	labels(child, own);
	healed(web);
	follows(child, BOND_NETWORK, web);
	expect("RESTART child");
	restarted(child);
	happens(child, EVENT_HEALTHY);
	expect("dependent_restart:success child, recovered:healthy child");
	asked();
	wait_for(HOUR);
	sick(child);
	expect("KILL child");
	event(web, EVENT_UNHEALTHY);
	turn();
	expect("RESTART web");
	hangs(child, BOND_NETWORK, web);
	done(child);
	assert_int_equal(asked(), 0);
	dies(child, 137);
	expect("restart:success child, START child"); /* it does not wait for web */
	happens(child, EVENT_START);
	done(child);
	assert_int_equal(asked(), NETWORK);
}

/* The parent got well without a restart: the child is healed for its own sake, when that is known. */
static void test_the_parents_end_without_a_restart(void **state)
{
	(void)state;
	family("AUTOHEAL_UNHEALTHY_FOR=5", NULL);
	hangs(child, BOND_DEPENDS, web);
	event(child, EVENT_UNHEALTHY);
	wait_for(3 * SECOND);
	sick(web);
	wait_for(3 * SECOND);
	expect("");
	happens(web, EVENT_HEALTHY);
	expect("skipped:recovered web");
	wait_for(2 * SECOND);
	expect("INSPECT child");
	still_sick(child);
	expect("RESTART child");
}

static void test_a_ring_does_not_wait(void **state)
{
	struct container *third;

	(void)state;
	family(NULL);
	third = known("third");
	hangs(web, BOND_DEPENDS, child);
	hangs(child, BOND_DEPENDS, third);
	hangs(third, BOND_DEPENDS, web);
	event(web, EVENT_UNHEALTHY);
	event(child, EVENT_UNHEALTHY);
	event(third, EVENT_UNHEALTHY);
	turn();
	expect("RESTART web, RESTART child, RESTART third");
}

/* a hangs on b, b on c: of all three sick, each waits for the one above. */
static void test_a_chain_goes_from_the_top(void **state)
{
	struct container *third;

	(void)state;
	family(NULL);
	third = known("third");
	hangs(third, BOND_NETWORK, child);
	hangs(child, BOND_NETWORK, web);
	event(third, EVENT_UNHEALTHY);
	event(child, EVENT_UNHEALTHY);
	event(web, EVENT_UNHEALTHY);
	turn();
	expect("RESTART web");
	restarted(web);
	follows(child, BOND_NETWORK, web);
	expect("restart:success web, RESTART child");
	restarted(child);
	follows(third, BOND_NETWORK, child);
	expect("dependent_restart:success child, RESTART third");
}

/* Of two that follow the same one, the later waits for the other, which it depends on as well. */
static void test_a_diamond(void **state)
{
	struct container *last;

	(void)state;
	family(NULL);
	last = known("last");
	hangs(child, BOND_DEPENDS, web);
	hangs(last, BOND_DEPENDS, web);
	hangs(last, BOND_DEPENDS, child);
	healed(web);
	wish(last, BOND_DEPENDS, web);
	wish(child, BOND_DEPENDS, web);
	turn();
	expect("RESTART child");
	restarted(child);
	wait_for(10 * SECOND);
	expect("dependent_restart:success child");
	happens(child, EVENT_HEALTHY);
	expect("recovered:healthy child");
	follows(last, BOND_DEPENDS, child);
	wait_for(SECOND);
	expect("INSPECT last");
	facts(last, inspected(HEALTH_GOOD));
	expect("RESTART last");
}

static void test_left_alone(void **state)
{
	(void)state;
	family(NULL);
	happens(child, EVENT_PAUSE);
	follows(child, BOND_NETWORK, web);
	happens(child, EVENT_UNPAUSE);
	stops(child);
	follows(child, BOND_NETWORK, web);
	expect("");
	happens(child, EVENT_START);
	wait_for(MINUTE);
	dies(child, 1); /* by itself, and not with its parent */
	wait_for(MINUTE);
	s.happened[0] = 0, s.length = 0;
	sick(web);
	restarted(web);
	expect("RESTART web, restart:success web");
	follows(child, BOND_DEPENDS, web);
	follows(child, BOND_NETWORK, web);
	expect("");
}

static void test_exited_with_its_parent(void **state)
{
	(void)state;
	family("AUTOHEAL_RESTART_MODE=health", NULL);
	sick(web);
	dies(child, 0);
	restarted(web);
	forget_what_happened();
	follows(child, BOND_NETWORK, web);
	expect("RESTART child");
}

/* Waiting for a slot, it is stopped, paused or started by somebody else: that decides. */
static void test_meanwhile(void **state)
{
	static const enum policy_event_kind kinds[] = {EVENT_STOP, EVENT_PAUSE, EVENT_START};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		family("AUTOHEAL_MAX_PARALLEL=1", NULL);
		sick(web);
		follows(child, BOND_NETWORK, web);
		expect("RESTART web");
		happens(child, EVENT_HEALTHY); /* says nothing of its network */
		state_is(child, STATE_WAITING);
		happens(child, kinds[i]);
		forget_what_happened();
		restarted(web);
		wait_for(MINUTE);
		expect("restart:success web");
	}
}

static void test_a_dependent_that_is_refused(void **state)
{
	(void)state;
	family(NULL);
	follows(child, BOND_NETWORK, web);
	refused(child);
	expect("RESTART child, dependent_restart:failure child");
	state_is(child, STATE_WATCHING); /* as well as before */
	family(NULL);
	follows(child, BOND_NETWORK, web);
	happens(child, EVENT_KILL);
	dies(child, 143);
	refused(child);
	expect("RESTART child, dependent_restart:failure child");
	wait_for(10 * SECOND);
	facts(child, exited());
	expect("INSPECT child, START child"); /* what we stopped we start, with back-off */
	done(child);
	expect("restart:success child");
}

static void test_a_guest_comes_and_goes(void **state)
{
	(void)state;
	family(NULL);
	child->dropped = true;
	sick(child);
	expect(""); /* it is not watched */
	child->health = HEALTH_GOOD;
	follows(child, BOND_NETWORK, web);
	expect("RESTART child");
	restarted(child);
	expect("dependent_restart:success child");
	assert_true(policy_keep(&s.policy, child, s.now)); /* until it is known whether it is well */
	happens(child, EVENT_HEALTHY);
	expect("recovered:healthy child");
	assert_false(policy_keep(&s.policy, child, s.now));
	family("AUTOHEAL_RECOVERY_TIMEOUT=10", NULL);
	child->dropped = true;
	follows(child, BOND_NETWORK, web);
	restarted(child);
	wait_for(MINUTE);
	facts(child, inspected(HEALTH_BAD));
	wait_for(MINUTE);
	expect("RESTART child, dependent_restart:success child, INSPECT child, "
	       "not_recovered:timeout child"); /* and no second one */
	assert_false(policy_keep(&s.policy, child, s.now));
}

/* ---- left behind ------------------------------------------------------------------------------ */

static void test_stranded(void **state)
{
	(void)state;
	family(NULL);
	follows(child, BOND_STRANDED, web);
	expect("RESTART child");
	restarted(child);
	says("in the network that 'web' had before");
	happens(child, EVENT_HEALTHY);
	expect("stranded:restarted child, recovered:healthy child");
	follows(child, BOND_STRANDED, web); /* at the next audit: in its cooldown */
	expect("");
	wait_for(MINUTE);
	expect("INSPECT child");
	facts(child, inspected(HEALTH_GOOD));
	expect("RESTART child");
}

/* What was read of it before it was started anew says nothing of now. */
static void test_no_longer_stranded(void **state)
{
	struct policy_bond bond = {.kind = BOND_STRANDED, .parent = "web"};

	(void)state;
	family("AUTOHEAL_COOLDOWN=0", NULL);
	wait_for(SECOND);
	bond.since = s.now;
	wait_for(5);
	restarts(child);
	sim_event(&s, child, &(struct policy_event){.kind = EVENT_PARENT, .bond = &bond});
	wait_for(MINUTE);
	expect("");
}

/* Every audit finds it again: cooldown, back-off and quarantine hold as for any heal. */
static void test_stranded_for_good(void **state)
{
	unsigned restarts = 0;

	(void)state;
	family(NULL);
	for (int i = 0; i < 120; i++) {
		follows(child, BOND_STRANDED, web);
		if (child->looking)
			facts(child, inspected(HEALTH_GOOD));
		if (child->state == STATE_RESTARTING) {
			refused(child);
			restarts++;
		}
		wait_for(30 * SECOND);
	}
	assert_in_range(restarts, 1, 4);
	assert_true(child->identity->heal->quarantined);
}

static void test_only_told(void **state)
{
	(void)state;
	family("AUTOHEAL_DRY_RUN=true", NULL);
	follows(child, BOND_STRANDED, web);
	follows(child, BOND_STRANDED, web);
	expect("skipped:dry_run child");
	says("'web'");
	family("AUTOHEAL_DEPENDENTS=false", NULL);
	follows(child, BOND_STRANDED, web);
	follows(child, BOND_STRANDED, web);
	expect("stranded:reported child");
	says("docker restart child");
	happens(child, EVENT_START);
	follows(child, BOND_STRANDED, web);
	expect("stranded:reported child"); /* it is a new case */
}

static void test_orphan(void **state)
{
	struct policy_bond bond = {BOND_ORPHAN, 0, 0, "0123456789ab"};

	(void)state;
	family("AUTOHEAL_COOLDOWN=0", NULL);
	for (int i = 0; i < 2; i++)
		sim_event(&s, child, &(struct policy_event){.kind = EVENT_PARENT, .bond = &bond});
	expect("stranded:reported child");
	says("0123456789ab");
	says("docker compose up -d --force-recreate child");
	sick(child);
	facts(child, inspected(HEALTH_BAD));
	wait_for(HOUR);
	expect(""); /* a restart would stop it for good */
	happens(child, EVENT_START);
	sick(child);
	expect("RESTART child");
}

static void test_no_such_container_of_another(void **state)
{
	char own[128], hex[65];

	(void)state;
	family("AUTOHEAL_COOLDOWN=0", "AUTOHEAL_BACKOFF=false", "AUTOHEAL_MAX_RESTARTS=0", NULL);
	sick(child);
	dies(child, 143);
	assert_true(answer(child, ANSWER_REFUSED, 500,
	    "Cannot restart container child: No such container: "
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
	expect("RESTART child, restart:failure child, stranded:reported child");
	says("00112233445566778899aabbccddeeff");
	wait_for(HOUR);
	facts(child, exited());
	wait_for(HOUR);
	expect("");
	/* about itself it means what it says */
	family(NULL);
	sick(child);
	text_hex(child->id, 32, hex);
	snprintf(own, sizeof own, "No such container: %s", hex);
	assert_false(answer(child, ANSWER_REFUSED, 404, own));
	expect("RESTART child, restart:failure child, skipped:gone child");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(network_mode),
	    STORY(depends_on_label),
	    STORY(edges_are_those_of_the_last_whole_list),
	    STORY(edges_have_a_bound),
	    STORY(when_they_are_looked_for),
	    STORY(not_when_its_heal_fails),
	    STORY(without_a_healthcheck_to_run_is_enough),
	    STORY(a_dependent_waits_for_nothing_of_its_own),
	    STORY(once_in_a_cascade),
	    STORY(the_child_waits_for_its_parents_end),
	    STORY(a_snoozed_parent_is_not_waited_for),
	    STORY(an_exit_with_the_parent_is_no_crash),
	    STORY(down_in_quarantine_with_its_parent),
	    STORY(down_amid_a_late_restart_with_its_parent),
	    STORY(an_exit_with_the_parent_is_not_told_as_left_alone),
	    STORY(an_exit_is_no_crash_while_the_list_is_on_its_way),
	    STORY(falling_again_with_the_parent_is_no_failure),
	    STORY(labels_of_dependents),
	    STORY(the_parents_end_without_a_restart),
	    STORY(a_ring_does_not_wait),
	    STORY(a_chain_goes_from_the_top),
	    STORY(a_diamond),
	    STORY(left_alone),
	    STORY(exited_with_its_parent),
	    STORY(meanwhile),
	    STORY(a_dependent_that_is_refused),
	    STORY(a_guest_comes_and_goes),
	    STORY(stranded),
	    STORY(no_longer_stranded),
	    STORY(stranded_for_good),
	    STORY(only_told),
	    STORY(orphan),
	    STORY(no_such_container_of_another),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	graph_free(&graph);
	return failed;
}

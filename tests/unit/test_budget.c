/* test_budget.c - what budget.h promises, over every number of descriptors and engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "budget.h"

/* What is open when every part is at its limit. */
static unsigned spent(const struct budget *b, unsigned engines)
{
	return BUDGET_FIXED + engines * BUDGET_ENGINE + b->clients * BUDGET_CLIENT +
	    b->looks * engines + b->restarts + b->probes + b->evidence * BUDGET_EVIDENCE;
}

static void test_what_is_shared_out_is_there(void **state)
{
	struct budget b;

	(void)state;
	for (unsigned e = 1; e <= BUDGET_ENGINES_MAX; e++) {
		for (unsigned limit = 0; limit <= 2000; limit++) {
			bool fits = budget_make(&b, limit, e, 0);

			assert_int_equal(b.limit, limit < 1024 ? limit : 1024);
			assert_int_equal(fits, b.limit >= b.needed);
			if (!fits)
				continue;
			assert_true(spent(&b, e) <= b.limit);
			assert_in_range(b.clients, 4, 64);
			assert_in_range(b.looks, 2, 16);
			assert_in_range(b.restarts, e, 256);
			assert_in_range(b.evidence, 0, 32);
			assert_in_range(b.probes, 0, 32);
		}
	}
}

/* Nothing is left over that somebody could have more of. */
static void test_nothing_is_kept_back(void **state)
{
	struct budget b;

	(void)state;
	for (unsigned e = 1; e <= BUDGET_ENGINES_MAX; e++) {
		for (unsigned limit = 0; limit <= 1024; limit++) {
			unsigned left;

			if (!budget_make(&b, limit, e, 0))
				continue;
			left = limit - spent(&b, e);
			assert_true(!left || (b.restarts == 256 && b.probes == 32));
			assert_true(left < e || b.looks == 16);
			assert_true(left < 2 || (b.clients == 64 && b.evidence == 32));
		}
	}
}

/* One more may complete a piece for somebody else: then what was left over for others goes there. */
static void test_one_more_takes_at_most_a_piece_from_anybody(void **state)
{
	struct budget b, more;

	(void)state;
	for (unsigned e = 1; e <= BUDGET_ENGINES_MAX; e++) {
		for (unsigned limit = 0; limit < 1024; limit++) {
			if (!budget_make(&b, limit, e, 0))
				continue;
			assert_true(budget_make(&more, limit + 1, e, 0));
			assert_true(more.restarts + e >= b.restarts);
			assert_true(more.looks + 1 >= b.looks);
			assert_true(more.clients + (e + 1) / 2 >= b.clients);
			assert_true(more.evidence + (e + 1) / 2 >= b.evidence);
			assert_true(more.probes + e >= b.probes);
		}
	}
}

/* What the usual limits give: nobody is short. */
static void test_the_usual_limit_is_enough_for_all(void **state)
{
	struct budget b;

	(void)state;
	for (unsigned e = 1; e <= BUDGET_ENGINES_MAX; e++) {
		assert_true(budget_make(&b, 1024, e, 0));
		assert_true(e > 26 ||
		    (b.restarts == 256 && b.looks == 16 && b.clients == 64 && b.probes == 32));
	}
	assert_true(b.restarts >= 128 && b.looks >= 6 && b.clients >= 24);
	assert_true(budget_make(&b, 64, 1, 0));
	assert_int_equal(b.restarts + b.looks + 2 * b.clients + b.probes + 2 * b.evidence, 64 - 16);
	assert_true(b.restarts >= 19 && b.looks >= 3 && b.clients >= 7 && b.probes >= 3);
}

/* Notices get as many as there are targets, at least two of them, and take nothing below the others' minima. */
static void test_notices_have_a_share(void **state)
{
	struct budget b;

	(void)state;
	for (unsigned e = 1; e <= BUDGET_ENGINES_MAX; e++) {
		for (unsigned targets = 1; targets < 20; targets++) {
			unsigned most = targets < 17 ? targets : 17,
				 least = targets < 2 ? targets : 2;

			assert_true(budget_make(&b, 1024, e, targets));
			assert_in_range(b.notices, least, most);
			assert_true(e > 20 || b.notices == most);
			assert_true(spent(&b, e) + b.notices <= b.limit);
			assert_false(budget_make(&b, b.needed - 1, e, targets));
			assert_true(budget_make(&b, b.needed, e, targets));
			assert_int_equal(b.notices, least);
		}
	}
}

static void test_too_few_are_explained(void **state)
{
	struct budget b;
	char words[300];

	(void)state;
	assert_true(budget_make(&b, 27, 1, 0));
	assert_int_equal(b.needed, 27);
	assert_false(budget_make(&b, 26, 1, 0));
	assert_int_equal(b.restarts + b.looks + b.clients, 0);
	budget_explain(&b, 1, words, sizeof words);
	assert_string_equal(words,
	    "RLIMIT_NOFILE allows 26 open files, and 1 engine needs at least 27: raise it, best to 1024, with "
	    "`ulimit -n`, `docker run --ulimit nofile=1024` or LimitNOFILE= of systemd");
	assert_false(budget_make(&b, 300, 64, 0));
	budget_explain(&b, 64, words, sizeof words);
	assert_non_null(strstr(words, "allows 300 open files, and 64 engines need at least 468:"));
}

/* In a process of its own: the limits before, and what came of them. Exit 0 when it is right. */
static void limit_becomes(rlim_t soft, rlim_t hard, unsigned expected, rlim_t soft_after)
{
	struct rlimit l = {soft, hard};
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		int inherited = dup(STDERR_FILENO);
		bool right = !setrlimit(RLIMIT_NOFILE, &l) && budget_limit() == expected &&
		    !getrlimit(RLIMIT_NOFILE, &l) && l.rlim_cur == soft_after && l.rlim_max == hard &&
		    fcntl(inherited, F_GETFD) < 0 && fcntl(STDERR_FILENO, F_GETFD) >= 0;

		_exit(!right);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_the_soft_limit_is_raised_as_far_as_it_is_of_use(void **state)
{
	struct rlimit l;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	if (l.rlim_max < 4096)
		skip();
	limit_becomes(20, 20, 20, 20);
	limit_becomes(20, 300, 300, 300);
	limit_becomes(20, 4096, 1024, 1024);
	limit_becomes(1024, 4096, 1024, 1024);
	limit_becomes(4096, 4096, 1024, 4096); /* what is more is left as it is */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_shared_out_is_there),
	    cmocka_unit_test(test_nothing_is_kept_back),
	    cmocka_unit_test(test_one_more_takes_at_most_a_piece_from_anybody),
	    cmocka_unit_test(test_the_usual_limit_is_enough_for_all),
	    cmocka_unit_test(test_notices_have_a_share),
	    cmocka_unit_test(test_too_few_are_explained),
	    cmocka_unit_test(test_the_soft_limit_is_raised_as_far_as_it_is_of_use),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}

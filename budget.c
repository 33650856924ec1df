/* budget.c - descriptors shared out, of budget.h. */
#include "budget.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

/* One share between its bounds. */
struct share {
	unsigned *count;
	unsigned min, max, cost;
};

/* Whether a has had less of what it may have beyond its minimum than b. */
static bool has_less(const struct share *a, const struct share *b)
{
	return (*a->count - a->min) * (b->max - b->min) < (*b->count - b->min) * (a->max - a->min);
}

/* Who is given the next piece: of those that may have more and can be paid, the one with the least. */
static struct share *next_share(struct share *shares, size_t n, unsigned left)
{
	struct share *next = NULL;

	for (struct share *s = shares; s < shares + n; s++)
		if (*s->count < s->max && s->cost <= left && (!next || has_less(s, next)))
			next = s;
	return next;
}

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

bool budget_make(struct budget *b, unsigned limit, unsigned engines, unsigned targets)
{
	/* where the last piece is contested, restarts come first */
	struct share shares[] = {
	    {&b->restarts, engines, BUDGET_RESTARTS_MAX, 1},
	    {&b->looks, BUDGET_LOOKS_MIN, BUDGET_LOOKS_MAX, engines},
	    {&b->clients, BUDGET_CLIENTS_MIN, BUDGET_CLIENTS_MAX, BUDGET_CLIENT},
	    {&b->evidence, 0, BUDGET_EVIDENCE_MAX, BUDGET_EVIDENCE},
	    {&b->probes, 0, BUDGET_PROBES_MAX, 1},
	    {&b->notices, lesser(targets, BUDGET_NOTICES_MIN), lesser(targets, BUDGET_NOTICES_MAX), 1},
	};
	const size_t n = sizeof(shares) / sizeof(shares[0]);
	unsigned left;
	struct share *next;

	*b = (struct budget){
	    .limit = limit < BUDGET_LIMIT ? limit : BUDGET_LIMIT,
	    .needed = BUDGET_FIXED + engines * BUDGET_ENGINE,
	};
	for (size_t i = 0; i < n; i++)
		b->needed += shares[i].min * shares[i].cost;
	if (b->limit < b->needed)
		return false;
	for (size_t i = 0; i < n; i++)
		*shares[i].count = shares[i].min;
	left = b->limit - b->needed;
	while ((next = next_share(shares, n, left))) {
		++*next->count;
		left -= next->cost;
	}
	b->left = left;
	return true;
}

unsigned budget_limit(void)
{
	struct rlimit limit;

	/* Descriptors that whoever started us left open would count, and would keep open what is not ours.
	 * Before Linux 5.9, or where a filter of system calls forbids it, they stay. */
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
	if (prlimit(0, RLIMIT_NOFILE, NULL, &limit)) /* setrlimit() of musl stops all threads for it */
		return BUDGET_LIMIT;
	if (limit.rlim_cur < BUDGET_LIMIT && limit.rlim_cur < limit.rlim_max) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max < BUDGET_LIMIT ? limit.rlim_max : BUDGET_LIMIT;
		if (prlimit(0, RLIMIT_NOFILE, &limit, NULL))
			limit.rlim_cur = before;
	}
	return limit.rlim_cur < BUDGET_LIMIT ? (unsigned)limit.rlim_cur : BUDGET_LIMIT;
}

void budget_explain(const struct budget *b, unsigned engines, char *out, size_t cap)
{
	text_print(out, cap,
	    "RLIMIT_NOFILE allows %u open files, and %u engine%s need%s at least %u: raise it, best to %u, with "
	    "`ulimit -n`, `docker run --ulimit nofile=%u` or LimitNOFILE= of systemd",
	    b->limit, engines, engines == 1 ? "" : "s", engines == 1 ? "s" : "", b->needed,
	    BUDGET_LIMIT, BUDGET_LIMIT);
}

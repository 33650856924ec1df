/* metrics.c - counting, and Prometheus's text format, of metrics.h. */
#include "metrics.h"

#include <string.h>

const uint32_t metrics_heal_bounds[METRICS_BUCKETS] = {250000, 1000000, 2500000, 5000000, 10000000,
    30000000, 60000000, 120000000, 300000000, 600000000, 1800000000};
const uint32_t metrics_request_bounds[METRICS_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 100000, 1000000, 10000000, 60000000};

void metrics_observe(
    struct metrics_histogram *h, const uint32_t bounds[METRICS_BUCKETS], uint64_t microseconds)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && microseconds > bounds[i])
		i++;
	h->counts[i]++;
	h->sum += microseconds;
}

/* Whether a request to the engine failed: "notify" is none, and `stranded` may be told without one. */
static bool is_refusal(const struct action *a)
{
	if (a->audit == AUDIT_RESTART || a->audit == AUDIT_DEPENDENT_RESTART)
		return !strcmp(a->status, "failure");
	return a->audit == AUDIT_STRANDED && a->did && strcmp(a->did, "notify") &&
	    !strcmp(a->status, "reported");
}

void metrics_told(struct metrics *m, const struct action *a)
{
	struct heal *h = a->container->identity->heal;

	if (!h)
		return;
	if (a->audit == AUDIT_RECOVERED) {
		h->results[METRICS_RECOVERED]++;
		metrics_observe(&m->heal, metrics_heal_bounds, (uint64_t)a->duration_ms * 1000);
	} else if (a->audit == AUDIT_NOT_RECOVERED) {
		h->results[METRICS_NOT_RECOVERED]++;
	} else if (is_refusal(a)) {
		h->results[METRICS_REFUSED]++;
	}
}

void metrics_requested(struct metrics *m, struct heal *h, const struct loop *loop)
{
	if (h->manual || h->bond || h->timed == (uint32_t)h->incident)
		return;
	h->timed = (uint32_t)h->incident;
	metrics_observe(&m->request, metrics_request_bounds,
	    (loop->now - h->detected) * 1000 + loop_since_now(loop));
}

/* ---- writing ----------------------------------------------------------------------------- */

void metrics_head(struct buf *b, const char *name, const char *help, bool histogram)
{
	size_t n = strlen(name);

	buf_print(b, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name,
	    histogram                                      ? "histogram"
		: n > 6 && !strcmp(name + n - 6, "_total") ? "counter"
							   : "gauge");
}

/* A newline, or bytes that are no UTF-8 and would spoil the whole scrape, are escaped as everywhere; then what the format
 * itself wants escaped. */
void metrics_label(struct buf *b, const char *text)
{
	char safe[2 * WATCH_NAME_MAX], *out = buf_room(b, 2 * sizeof(safe));
	size_t n = 0;

	if (!out)
		return;
	text_escape(span_of(text), safe, sizeof(safe));
	out[n++] = '"';
	for (const char *p = safe; *p; p++) {
		if (*p == '"' || *p == '\\')
			out[n++] = '\\';
		out[n++] = *p;
	}
	out[n++] = '"';
	b->n += n;
}

void metrics_seconds(struct buf *b, uint64_t microseconds)
{
	unsigned rest = (unsigned)(microseconds % 1000000);
	int digits = 6;

	buf_print(b, "%llu", (unsigned long long)microseconds / 1000000);
	if (!rest)
		return;
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	buf_print(b, ".%0*u", digits, rest);
}

void metrics_print_histogram(struct buf *b, const char *name, const char *help,
    const struct metrics_histogram *h, const uint32_t bounds[METRICS_BUCKETS])
{
	unsigned long long count = 0;

	metrics_head(b, name, help, true);
	for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
		count += h->counts[i];
		buf_print(b, "%s_bucket{le=\"", name);
		if (i < METRICS_BUCKETS)
			metrics_seconds(b, bounds[i]);
		else
			buf_add_text(b, "+Inf");
		buf_print(b, "\"} %llu\n", count);
	}
	buf_print(b, "%s_sum ", name);
	metrics_seconds(b, h->sum);
	buf_print(b, "\n%s_count %llu\n", name, count);
}

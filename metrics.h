/* metrics.h - what is counted for Prometheus, and the words of its text format 0.0.4. The counters live in memory: they
 * begin at zero with the process, as Prometheus expects. Counting allocates nothing. */
#ifndef AUTOHEAL_METRICS_H
#define AUTOHEAL_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "loop.h"
#include "policy.h"

#define METRICS_BUCKETS 11 /* of each histogram, beside +Inf */

/* How a restart ended; of heal.results. */
enum metrics_result { METRICS_RECOVERED, METRICS_NOT_RECOVERED, METRICS_REFUSED, METRICS_RESULTS };

struct metrics_histogram {
	uint64_t sum;                         /* microseconds */
	uint32_t counts[METRICS_BUCKETS + 1]; /* each without the ones before */
};

/* The bounds, microseconds. */
extern const uint32_t metrics_heal_bounds[METRICS_BUCKETS], metrics_request_bounds[METRICS_BUCKETS];

struct metrics {
	int64_t born; /* wall ms, of the process's start */
	struct metrics_histogram heal, request;
};

/* Counts what is told of a container: the end of a restart, and how long a heal took. */
void metrics_told(struct metrics *m, const struct action *a);
/* A request of this heal was written just now: the time from the detection to it, once an incident, and only where
 * autoheal itself saw the trouble. */
void metrics_requested(struct metrics *m, struct heal *h, const struct loop *loop);
void metrics_observe(
    struct metrics_histogram *h, const uint32_t bounds[METRICS_BUCKETS], uint64_t microseconds);

/* ---- writing ---- */

/* "# HELP …" and "# TYPE …"; the type is read from the name: …_total is a counter, …seconds of a histogram is told by
 * `histogram`, the rest are gauges. */
void metrics_head(struct buf *b, const char *name, const char *help, bool histogram);
/* The value of a label with its quotes: foreign text, made safe. */
void metrics_label(struct buf *b, const char *text);
/* Seconds, as short as can be: "0.0001", "2.5", "30". */
void metrics_seconds(struct buf *b, uint64_t microseconds);
void metrics_print_histogram(struct buf *b, const char *name, const char *help,
    const struct metrics_histogram *h, const uint32_t bounds[METRICS_BUCKETS]);

#endif

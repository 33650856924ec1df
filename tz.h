/* tz.h - local time for the log, as the variable TZ tells it. In place of libc's localtime(), which brings
 * five times the code. */
#ifndef AUTOHEAL_TZ_H
#define AUTOHEAL_TZ_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/* When the clock changes, once a year. */
struct tz_rule {
	char kind;     /* 'M' weekday of a month, 'J' day without leap days, 'N' day with them */
	uint16_t day;  /* 'M': 0 Sunday to 6; 'J': 1 to 365; 'N': 0 to 365 */
	uint8_t month; /* 'M': 1 to 12 */
	uint8_t week;  /* 'M': 1 to 5, 5 is the last */
	int32_t time;  /* seconds after midnight on the clock before the change, -167 h to 167 h */
};

/* A zone; all zero it is UTC. */
struct tz {
	int32_t standard, summer; /* seconds east of UTC */
	bool has_summer;
	struct tz_rule begin, end; /* of summer */
};

/* Reads the POSIX form "CET-1CEST,M3.5.0,M10.5.0/3" (base definitions, 8.3; times of the rules as RFC 9636
 * widens them: -167 h to 167 h). Summer time without rules has those of the USA. false leaves UTC. */
bool tz_read(struct span s, struct tz *tz);
/* Seconds east of UTC at so many seconds since 1970. */
int32_t tz_offset(const struct tz *tz, int64_t seconds);
/* What TZ says: the POSIX form, or the name of a zone, with or without a colon, or the path of a file; not
 * set or empty: /etc/localtime, and UTC where there is none. Of a zone's file the rule at its end is read,
 * which holds for the years to come (RFC 9636 3.3). false: no such zone, *tz is UTC. */
bool tz_find(const char *value, struct tz *tz);

#endif

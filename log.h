/* log.h - the log on stderr. Lines go into a buffer of 16 KiB and from there to stderr only when it
 * is ready, so that a reader who sleeps stalls nothing: when the buffer is full, lines are dropped
 * and counted, and the count is told as soon as there is room again.
 *
 * The log is the one part with state of its own, beside the signal flag: every part writes to it, and
 * none could say which log to use. */
#ifndef AUTOHEAL_LOG_H
#define AUTOHEAL_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tz.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level least, enum log_format format);
/* The zone of the times in LOG_TEXT, which is UTC at first; LOG_JSON has UTC always. */
void log_zone(const struct tz *zone);
/* Whether lines of this level are written: lets a caller skip the work of making one. */
bool log_wants(enum log_level level);
/* One line "time - module - LEVEL - message". The whole message is made safe (text_escape), so
 * foreign text needs no care of the caller. At most LOG_LINE_MAX bytes; a longer one is cut. */
void log_line(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes what stderr takes without blocking. */
void log_flush(void);
/* Whether something waits for stderr. */
bool log_pending(void);
/* Writes the rest, waiting at most `ms` in all: for the moments before the process ends. */
void log_finish(int ms);
/* Lines dropped since the start. */
uint64_t log_dropped(void);

#endif

/* doctor.h - `autoheal doctor`: looks at the whole setup without changing anything, and says of each part how it stands
 * and what to do. Needs no running service; asks each engine in turn, as the service would. */
#ifndef AUTOHEAL_DOCTOR_H
#define AUTOHEAL_DOCTOR_H

#include <stdbool.h>

#include "monitor.h"

#define DOCTOR_WAIT_MS 15000 /* for the next sign of an engine; then the next engine's turn comes */
#define DOCTOR_NAMES_MAX 100 /* watched containers named one by one; the others are counted */
#define DOCTOR_LOOKS_MAX 256 /* containers of one engine inspected: unlabelled ones, and Podman's */
#define DOCTOR_LINES_MAX 2000 /* findings told; those beyond count all the same */

/* m: prepared by monitor_init and monitor_add_engine, with its notify, and by nothing else. json: one JSON object in place of lines.
 * Returns the exit code: 0 all is well, 1 not. */
int doctor_run(struct monitor *m, bool json);

#endif

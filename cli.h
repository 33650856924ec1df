/* cli.h - the commands of the command line that are not the service itself. */
#ifndef AUTOHEAL_CLI_H
#define AUTOHEAL_CLI_H

#include "config_json.h"
#include "notify.h"

/* After sysexits.h; beside them the exit codes of watchdog.h. */
#define EXIT_SYSTEM 71 /* EX_OSERR: the system does not give what is needed */
#define EXIT_CONFIG 78 /* EX_CONFIG: another autoheal has the data folder */
#define EXIT_USAGE 64  /* EX_USAGE of sysexits.h: an unknown argument or an invalid setting */

/* Writes to a descriptor as printf does to stdout (text_print's conversions), without stdio. */
void cli_say(int fd, const char *format, ...) TEXT_PRINTS(2, 3);
/* Prints the help, one screen. */
void cli_help(void);
/* Asks the running service how it is: 0 healthy, 1 not or no answer, with the reason in words. Waits at most 5 s. */
int cli_health(const struct settings *settings);
/* Prints why the container is or is not watched, how it stands and what happens next, as the running service says: 0, or
 * 1 where it cannot. */
int cli_explain(const struct settings *settings, const char *name);
/* Sends a message to every target and prints what became of each: 0 when all were taken, else 1. */
int cli_notify_test(struct notify *n);

/* For commands that look at the setup: takes what config.json in AUTOHEAL_DATA_DIR says, as the service does. */
void cli_read_config(struct config *c, void (*warn)(const char *sentence));

#endif

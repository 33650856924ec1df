/* autoheal.c - main: settings, parts, loop, end. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api.h"
#include "budget.h"
#include "cli.h"
#include "config.h"
#include "docker.h"
#include "doctor.h"
#include "harden.h"
#include "log.h"
#include "loop.h"
#include "monitor.h"
#include "notify.h"
#include "script.h"
#include "self.h"
#include "server.h"
#include "watchdog.h"

#define TELL_MS 3000 /* at the end, within AUTOHEAL_DRAIN, for the notices that wait */

extern char **environ;

/* Everything that changes, in one place. Its pages are touched only as far as they are used. */
struct autoheal {
	struct config config;
	struct server server;
	struct api api;
	struct notify notify;
	struct loop_timer drain;
	int signals[2]; /* the self-pipe */
	bool stopping, drained, telling;
	struct target targets[TARGETS_MAX];
	struct loop loop;
	struct call_workspace workspace;
	struct monitor monitor;
};

/* The signal flag: what the handler of a signal may touch is its number in the self-pipe. */
static int signal_pipe = -1;

static void on_signal(int number)
{
	unsigned char byte = (unsigned char)number;
	int saved = errno;

	if (write(signal_pipe, &byte, 1) < 0)
		errno = saved; /* full: signals enough are waiting */
	errno = saved;
}

static void drain_over(void *owner)
{
	struct autoheal *a = owner;

	a->drained = true;
}

static void begin_stop(struct autoheal *a)
{
	size_t under_way = monitor_under_way(&a->monitor);

	if (a->stopping)
		return;
	a->stopping = true;
	monitor_stop(&a->monitor);
	if (under_way)
		log_line(LOG_INFO, "autoheal",
		    "Stopping: %zu restarts are under way, they are awaited for at most %llu s",
		    under_way, (unsigned long long)a->config.now.drain / 1000);
	else
		log_line(LOG_INFO, "autoheal", "Stopping");
	loop_after(&a->loop, &a->drain, a->config.now.drain);
}

static void signals_ready(void *owner, unsigned what)
{
	struct autoheal *a = owner;
	unsigned char bytes[16];
	ssize_t n = read(a->signals[0], bytes, sizeof(bytes));

	(void)what;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == SIGTERM || bytes[i] == SIGINT)
			begin_stop(a);
		else if (bytes[i] == SIGCONT)
			loop_suspect(&a->loop);
		else if (bytes[i] == SIGCHLD)
			store_reap(&a->monitor.memory.store);
	}
}

static int catch_signals(struct autoheal *a)
{
	static const int caught[] = {SIGTERM, SIGINT, SIGCONT, SIGCHLD};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (pipe2(a->signals, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	signal_pipe = a->signals[1];
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaction(caught[i], &action, NULL);
	/* SIGHUP must not end a service whose terminal goes; SIGPIPE is an error of write() */
	action.sa_handler = SIG_IGN;
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
	loop_watch(&a->loop, a->signals[0], LOOP_READ, signals_ready, a);
	return 0;
}

static void stderr_ready(void *owner, unsigned what)
{
	(void)owner;
	(void)what;
	log_flush();
}

static void log_warning(const char *sentence)
{
	log_line(LOG_WARNING, "config", "%s", sentence);
}

static void ignore_warning(const char *sentence)
{
	(void)sentence;
}

static uint64_t random_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint64_t)getpid() * 0x9E3779B97F4A7C15u;
	return seed;
}

/* Prints the sentence as the one line on stderr that a wrong start leaves. */
static int usage_error(const char *sentence)
{
	char safe[DOCKER_ERROR_MAX];

	text_escape(span_of(sentence), safe, sizeof(safe)); /* a value may be anything */
	cli_say(STDERR_FILENO, "autoheal: %s\n", safe);
	return EXIT_USAGE;
}

/* The engines that the settings name, the loop under them, and who is told. */
static int set_up_monitor(struct autoheal *a, char *error, size_t error_size)
{
	int engines = target_find(
	    a->targets, &a->config.now, getenv("XDG_RUNTIME_DIR"), error, error_size);

	if (engines < 0)
		return -1;
	loop_init(&a->loop);
	monitor_init(&a->monitor, &a->loop, &a->workspace, &a->config.now, random_seed());
	for (int i = 0; i < engines; i++)
		monitor_add_engine(&a->monitor, &a->targets[i]);
	self_find(&a->monitor);
	if (notify_init(&a->notify, &a->loop, &a->workspace, &a->config.now, error, error_size))
		return -1;
	a->monitor.notify = &a->notify;
	a->monitor.config = &a->config;
	return 0;
}

static int set_up(struct autoheal *a, char *error, size_t error_size)
{
	struct tz zone;
	bool known = tz_find(getenv("TZ"), &zone);

	log_zone(&zone);
	if (config_init(&a->config, environ, error, error_size, ignore_warning))
		return -1;
	log_setup(a->config.now.log_level, a->config.now.log_format);
	/* once more: how its warnings are to be written had to be known first */
	config_init(&a->config, environ, error, error_size, log_warning);
	if (!known)
		log_line(LOG_WARNING, "config",
		    "TZ is '%.64s', and there is no file of that zone here: times are in UTC. The form "
		    "CET-1CEST,M3.5.0,M10.5.0/3 needs no file",
		    getenv("TZ"));
	if (set_up_monitor(a, error, error_size))
		return -1;
	if (server_init(&a->server, &a->loop, &a->config.now, a->workspace.bytes,
		sizeof(a->workspace.bytes), error, error_size))
		return -1;
	api_init(&a->api, &a->monitor, &a->config.now, &a->server);
	return 0;
}

/* Shares the descriptors out; false with a sentence in error where they are too few. */
static bool set_budget(struct autoheal *a, char *error, size_t error_size)
{
	unsigned engines = (unsigned)a->monitor.engines_count;
	unsigned helper = a->config.now.post_restart_script[0] != 0;
	struct budget budget;

	if (!budget_make(&budget, budget_limit(), engines, (unsigned)a->notify.count + helper)) {
		budget_explain(&budget, engines, error, error_size);
		return false;
	}
	monitor_set_budget(&a->monitor, &budget);
	a->server.clients_max = budget.clients;
	/* the API may name more targets later, or a first one */
	a->notify.most = budget.notices - helper + budget.left;
	if (!a->notify.most || a->notify.most > NOTIFY_TARGETS_MAX + 1)
		a->notify.most = a->notify.most ? NOTIFY_TARGETS_MAX + 1 : 1;
	log_line(LOG_DEBUG, "autoheal",
	    "Of %u descriptors: at most %u restarts, %u inspects of each engine, %u clients of the API at once",
	    budget.limit, budget.restarts, budget.looks, budget.clients);
	return true;
}

static void tell_start(const struct autoheal *a)
{
	size_t count = a->monitor.engines_count;
	char engines[TARGET_URL_MAX];

	if (count == 1)
		text_print(engines, sizeof(engines), "engine %.240s", a->targets[0].url);
	else
		text_print(engines, sizeof(engines), "%zu engines", count);
	for (size_t i = 0; count > 1 && i < count; i++)
		log_line(LOG_INFO, "autoheal", "Engine '%s' is %s", a->targets[i].name,
		    a->targets[i].url);
	log_line(LOG_INFO, "autoheal",
	    "autoheal " AUTOHEAL_VERSION " starts: %s, audit every %llu s%s", engines,
	    (unsigned long long)a->config.now.interval / 1000,
	    a->config.now.dry_run ? "; dry run: it tells what it would do, and does nothing" : "");
}

/* path: of the file, or of the folder itself, that a setting names. */
static void tell_missing(bool kept, const char *path)
{
	if (!kept)
		log_line(LOG_WARNING, "autoheal",
		    "The folder of %s is missing: it stays out of reach for autoheal until the next start",
		    path);
}

/* A certificate may be a link to another folder. */
static void keep_certificates(struct sandbox *box, const struct target *t, const char *cert_path)
{
	struct span names = span_of("ca.pem cert.pem key.pem client-cert.pem client-key.pem"), name;
	char folder[PATH_MAX], file[PATH_MAX];

	target_certificates(t, cert_path, folder, sizeof(folder));
	tell_missing(sandbox_keep_folder(box, cert_path, SANDBOX_READ), cert_path);
	while (span_next(&names, ' ', &name)) {
		text_print(file, sizeof(file), "%s/%.*s", folder, (int)name.n, name.p);
		sandbox_keep_file(box, file, SANDBOX_READ);
	}
}

/* What is opened while it runs: the folders stay, as files in them are replaced by others. */
static void keep_folders(struct sandbox *box, const struct autoheal *a)
{
	const struct settings *s = &a->config.now;

	sandbox_keep_file(box, "/etc/hosts", SANDBOX_READ);
	sandbox_keep_file(box, "/etc/resolv.conf", SANDBOX_READ);
	tell_missing(sandbox_keep_file(box, s->ca_file, SANDBOX_READ), s->ca_file);
	for (size_t i = 0; i < a->monitor.engines_count; i++)
		if (a->targets[i].tls)
			keep_certificates(box, &a->targets[i], s->cert_path);
	if (s->data_dir[0])
		sandbox_keep_folder(box, s->data_dir, SANDBOX_WRITE);
	if (span_starts(span_of(s->listen), "unix:"))
		tell_missing(sandbox_keep_file(box, s->listen + 5, SANDBOX_WRITE), s->listen + 5);
}

static void close_door(struct autoheal *a)
{
	struct sandbox *box = &a->api.sandbox;
	char words[SANDBOX_WORDS];

	a->api.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (a->config.now.sandbox) {
		sandbox_begin(box);
		keep_folders(box, a);
		sandbox_enter(box);
	}
	sandbox_describe(box, words);
	log_line(LOG_INFO, "autoheal", "Sandbox: %s", words);
}

/* Whether the loop goes on: until it is stopped, then for what is under way, then for notices that tell of it. */
static bool goes_on(struct autoheal *a)
{
	if (!a->stopping || (monitor_under_way(&a->monitor) && !a->drained))
		return true;
	if (a->drained || !notify_waits(&a->notify))
		return false;
	if (!a->telling && a->drain.due > a->loop.now + TELL_MS)
		loop_after(&a->loop, &a->drain, TELL_MS);
	a->telling = true;
	return true;
}

static void run(struct autoheal *a)
{
	while (goes_on(a)) {
		log_flush();
		loop_wants(&a->loop, STDERR_FILENO, log_pending() ? LOOP_WRITE : 0);
		loop_turn(&a->loop);
		if (a->monitor.blind)
			begin_stop(a);
	}
}

static int serve(struct autoheal *a)
{
	char error[DOCKER_ERROR_MAX];

	watchdog_start(WATCHDOG_OVER_S);
	harden_environment(environ,
	    "AUTOHEAL_API_TOKEN,AUTOHEAL_NOTIFY,WEBHOOK_URL,APPRISE_URL,AUTOHEAL_HEARTBEAT_URL");
	if (set_up(a, error, sizeof(error)))
		return usage_error(error);
	if (!set_budget(a, error, sizeof(error))) {
		cli_say(STDERR_FILENO, "autoheal: %s\n", error);
		return EXIT_SYSTEM;
	}
	a->monitor.script = script_start(&a->loop, a->config.now.post_restart_script);
	a->loop.waits = watchdog_turn;
	if (harden_relro())
		log_line(
		    LOG_DEBUG, "autoheal", "The relocated constants could not be made read-only");
	if (catch_signals(a)) {
		cli_say(
		    STDERR_FILENO, "autoheal: cannot set up its signals: %s\n", text_error(errno));
		return 1;
	}
	a->drain = (struct loop_timer){.fire = drain_over, .owner = a};
	loop_watch(&a->loop, STDERR_FILENO, 0, stderr_ready, a);
	if (monitor_recall(&a->monitor)) {
		cli_say(STDERR_FILENO,
		    "autoheal: another autoheal uses AUTOHEAL_DATA_DIR=%s: give each a folder of its own\n",
		    a->config.now.data_dir);
		return EXIT_CONFIG;
	}
	tell_start(a);
	server_start(&a->server);
	close_door(a);
	monitor_start(&a->monitor);
	run(a);
	monitor_remember(&a->monitor, true);
	store_close(&a->monitor.memory.store);
	monitor_close(&a->monitor);
	script_close(a->monitor.script);
	server_close(&a->server); /* who waits for a test message ends it */
	notify_close(&a->notify);
	log_line(LOG_INFO, "autoheal", "Stopped");
	log_finish(1000);
	return a->monitor.blind ? WATCHDOG_EXIT_BLIND : 0;
}

static int doctor(struct autoheal *a, bool json)
{
	char error[DOCKER_ERROR_MAX];
	int status;

	if (config_init(&a->config, environ, error, sizeof(error), log_warning))
		return usage_error(error);
	cli_read_config(&a->config, log_warning);
	if (set_up_monitor(a, error, sizeof(error)))
		return usage_error(error);
	signal(SIGPIPE, SIG_IGN);
	status = doctor_run(&a->monitor, json);
	log_finish(1000);
	return status;
}

/* Apart from main, so that the compiler reads no constant before main has relocated them. */
static __attribute__((noinline)) int command(int argc, char **argv)
{
	static struct autoheal autoheal;
	char error[DOCKER_ERROR_MAX], shown[64];
	const char *name = argc > 1 ? argv[1] : "";
	bool explains = !strcmp(name, "explain"), examines = !strcmp(name, "doctor");
	bool json = examines && argc > 2 && !strcmp(argv[2], "--json");

	if (argc > (explains || json ? 3 : 2)) {
		text_escape(span_of(argv[explains || json ? 3 : 2]), shown, sizeof(shown));
		text_print(error, sizeof(error),
		    "'%s' is one argument too many; `autoheal --help` shows the commands", shown);
		return usage_error(error);
	}
	if (argc < 2 || !strcmp(name, "autoheal"))
		return serve(&autoheal);
	if (!strcmp(name, "--version")) {
		cli_say(STDOUT_FILENO, "autoheal " AUTOHEAL_VERSION "\n");
		return 0;
	}
	if (!strcmp(name, "--help")) {
		cli_help();
		return 0;
	}
	if (!strcmp(name, "health")) {
		if (config_init(&autoheal.config, environ, error, sizeof(error), ignore_warning))
			return usage_error(error);
		return cli_health(&autoheal.config.now);
	}
	if (!strcmp(name, "notify-test")) {
		if (config_init(&autoheal.config, environ, error, sizeof(error), ignore_warning))
			return usage_error(error);
		cli_read_config(&autoheal.config, ignore_warning);
		loop_init(&autoheal.loop);
		if (notify_init(&autoheal.notify, &autoheal.loop, &autoheal.workspace,
			&autoheal.config.now, error, sizeof(error)))
			return usage_error(error);
		return cli_notify_test(&autoheal.notify);
	}
	if (examines)
		return doctor(&autoheal, json);
	if (explains && (argc < 3 || !argv[2][0]))
		return usage_error("explain needs the name of a container: autoheal explain NAME");
	if (explains) {
		if (config_init(&autoheal.config, environ, error, sizeof(error), ignore_warning))
			return usage_error(error);
		return cli_explain(&autoheal.config.now, argv[2]);
	}
	text_escape(span_of(name), shown, sizeof(shown));
	text_print(error, sizeof(error),
	    "'%s' is no command; known are health, doctor, explain NAME, notify-test, --version and --help",
	    shown);
	return usage_error(error);
}

int main(int argc, char **argv)
{
	harden_relocate();
	return command(argc, argv);
}

/* doctor.c - the checks of doctor.h. */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define PIECE 32768 /* bytes of JSON written at once */
/* No container can be called so: names begin with a letter or a digit, and ids are hex digits. A proxy that looks at
 * names finds nothing to object to. */
#define NOBODY "_autoheal-doctor"

enum finding { FOUND_OK, FOUND_NOTE, FOUND_PROBLEM };

struct doctor {
	struct monitor *m;
	struct docker *engine; /* the one being asked */
	struct loop_timer patience;
	bool json, colours;
	bool over, listed;       /* with this engine; its list came, or will not */
	unsigned problems, told; /* over all */
	unsigned watched, forbidden, request;
	bool executes; /* a probe that the engine is to execute is labelled */
	bool not_all;  /* more to look at than there is room for */
	size_t looks, looked;
	struct buf out;
	struct json_writer w;
	uint8_t look[DOCTOR_LOOKS_MAX][32];
};

/* ---- telling ----------------------------------------------------------------------------- */

static void print_json(struct doctor *doc, enum finding found, const char *check,
    const char *container, const char *message)
{
	static const char names[][8] = {"ok", "note", "problem"};

	json_print(&doc->w, "{ status %s check %s host %s container %s message %s }", names[found],
	    check, doc->engine ? doc->engine->name : NULL, container, message);
}

/* One finding. check: what it is about, in one word; container: its name, or NULL. */
__attribute__((format(printf, 5, 6))) static void say(struct doctor *doc, enum finding found,
    const char *check, const char *container, const char *format, ...)
{
	static const char marks[][9] = {"ok      ", "note    ", "problem "};
	static const char colours[][6] = {"\033[32m", "\033[33m", "\033[31m"};
	char raw[1024], safe[2048];
	bool several = doc->engine && doc->m->engines_count > 1;
	va_list args;

	doc->problems += found == FOUND_PROBLEM;
	if (doc->told++ >= DOCTOR_LINES_MAX)
		return;
	va_start(args, format);
	text_vprint(raw, sizeof(raw), format, args);
	va_end(args);
	if (doc->json) {
		print_json(doc, found, check, container, raw);
		return;
	}
	text_escape(span_of(raw), safe, sizeof(safe));
	cli_say(STDOUT_FILENO, "%s%s%s%s%s%s\n", doc->colours ? colours[found] : "", marks[found],
	    doc->colours ? "\033[0m" : "", several ? doc->engine->name : "", several ? ": " : "",
	    safe);
}

/* ---- this process ------------------------------------------------------------------------ */

static void check_storage(struct doctor *doc)
{
	const char *folder = doc->m->settings->data_dir;
	struct stat st;

	if (!folder[0])
		say(doc, FOUND_NOTE, "storage", NULL,
		    "AUTOHEAL_DATA_DIR is not set: counts, quarantine and choices do not outlive the process");
	else if (stat(folder, &st) || (!S_ISDIR(st.st_mode) && (errno = ENOTDIR)))
		say(doc, FOUND_PROBLEM, "storage", NULL,
		    "The data folder %s: %s. Make it, or mount a volume there (-v autoheal:%s)",
		    folder, text_error(errno), folder);
	else if (access(folder, R_OK | W_OK | X_OK))
		say(doc, FOUND_PROBLEM, "storage", NULL,
		    "The data folder %s cannot be written: %s. It belongs to uid %u, and autoheal runs as uid %u",
		    folder, text_error(errno), st.st_uid, (unsigned)geteuid());
	else
		say(doc, FOUND_OK, "storage", NULL, "The data folder %s can be written", folder);
}

static void on_reached(void *owner, const char *target, bool good, const char *words)
{
	struct doctor *doc = owner;
	struct span said = span_of(words);
	const char *remedy =
	    "Is its address right, and has autoheal a network and DNS? network_mode: none has neither";

	if (span_find(said, doc->m->settings->ca_file))
		remedy = "AUTOHEAL_CA_FILE must hold the authority that signed it";
	else if (span_find(said, "certificate"))
		remedy = "Its server needs another one";
	if (good)
		say(doc, FOUND_OK, "notices", NULL, "%s can be reached", target);
	else
		say(doc, FOUND_PROBLEM, "notices", NULL, "%s cannot be told: %s. %s", target, words,
		    remedy);
}

/* What a target says to a message is found out by sending one, and that changes something. */
static void check_notices(struct doctor *doc)
{
	struct notify *n = doc->m->notify;
	size_t targets = n->count - (n->heartbeat != NULL);

	if (targets)
		say(doc, FOUND_OK, "notices", NULL,
		    "%zu are told; `autoheal notify-test` sends each a message and shows the answer",
		    targets);
	else
		say(doc, FOUND_NOTE, "notices", NULL, "AUTOHEAL_NOTIFY is not set: nobody is told");
	notify_check(n, on_reached, doc);
	while (notify_waits(n))
		loop_turn(doc->m->loop);
}

/* ---- the containers ---------------------------------------------------------------------- */

static void wait_on(struct doctor *doc)
{
	loop_after(doc->m->loop, &doc->patience, DOCTOR_WAIT_MS);
}

static void look_later(struct doctor *doc, const uint8_t id[32])
{
	if (doc->looks < DOCTOR_LOOKS_MAX)
		memcpy(doc->look[doc->looks++], id, 32);
	else
		doc->not_all = true;
}

/* A label that was meant to be ours: in other letters, or with another value. */
static void read_near_misses(struct doctor *doc, const struct json *j,
    const struct container_facts *facts, enum watch_reason reason)
{
	const struct settings *s = doc->m->settings;
	const char *label = config_label(s);
	char key_text[160], value_text[WATCH_NAME_MAX];
	int key = -1, value;
	bool no;

	while (json_next_member(j, facts->labels, &key, &value)) {
		struct span k = {key_text, json_text(j, key, key_text, sizeof(key_text))};

		json_text(j, value, value_text, sizeof(value_text));
		no = span_is_nocase(span_of(value_text), "false") && strcmp(value_text, "false");
		if (span_is_nocase(span_trim(k), label) &&
		    (watch_is_watched(reason) ? no : reason == REASON_NO_LABEL))
			say(doc, FOUND_PROBLEM, "label", facts->name,
			    "'%s' has the label '%s=%s', which is not exactly %s=%s: it is %swatched",
			    facts->name, key_text, value_text, label, no ? "false" : s->label_value,
			    watch_is_watched(reason) ? "" : "not ");
	}
}

static void check_healthcheck(struct doctor *doc, const struct container_facts *facts,
    enum watch_reason reason, const struct watch_labels *labels)
{
	const struct settings *s = doc->m->settings;
	bool crashes = s->mode != MODE_HEALTH &&
	    (config_mode_is_set(s) || !watch_is_unasked(reason, labels));

	if (!facts->now.running || facts->now.health != HEALTH_NONE || labels->check.kind)
		return;
	say(doc, crashes ? FOUND_NOTE : FOUND_PROBLEM, "healthcheck", facts->name,
	    "'%s' has no healthcheck, %s: give it a HEALTHCHECK (healthcheck: in Compose)",
	    facts->name,
	    crashes ? "so only its crashes are healed" : "so nothing will ever be done for it");
}

/* Whether the image is one that heals containers; our own says so in its labels. */
static bool is_healer(const struct json *j, const struct container_facts *facts, char image[160])
{
	struct span name = {image, json_text(j, json_get(j, 0, "Image"), image, 160)};

	return facts->now.running &&
	    (text_glob(span_of("*autoheal*"), name) || text_glob(span_of("*deunhealth*"), name)) &&
	    !json_is(j, json_member(j, facts->labels, span_of("org.opencontainers.image.title")),
		"autoheal");
}

static void check_watched(struct doctor *doc, const struct json *j,
    const struct container_facts *facts, enum watch_reason reason)
{
	struct watch_labels labels;
	char why[160];

	watch_read_labels(&labels, doc->m->settings, j, facts->labels);
	watch_say(reason, doc->m->settings, why, sizeof(why));
	if (doc->watched++ < DOCTOR_NAMES_MAX)
		say(doc, FOUND_OK, "watched", facts->name, "'%s' is watched%s: %s", facts->name,
		    facts->now.running ? "" : " from its next start on", why);
	for (int i = 0; i < labels.unreadable_count; i++)
		say(doc, FOUND_PROBLEM, "label", facts->name,
		    "'%s' has the label %s, which cannot be read: the default holds", facts->name,
		    labels.unreadable[i]);
	doc->executes |= labels.check.kind == CHECK_EXEC;
	check_healthcheck(doc, facts, reason, &labels);
	if (facts->now.running && facts->now.health == HEALTH_UNKNOWN)
		look_later(doc, facts->id);
}

static void on_listed(
    void *owner, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	struct doctor *doc = owner;
	struct monitor_view view;
	char image[160];

	if (doc->listed)
		return;
	wait_on(doc);
	monitor_view(doc->m, d, j, facts->labels, facts, &view);
	if (view.reason == REASON_SELF)
		return;
	if (is_healer(j, facts, image))
		say(doc, FOUND_PROBLEM, "healer", facts->name,
		    "'%s' (image %s) heals containers too: each illness would be restarted twice. Stop one of the two",
		    facts->name, image);
	read_near_misses(doc, j, facts, view.reason);
	if (watch_is_watched(view.reason))
		check_watched(doc, j, facts, view.reason);
	else if (view.reason == REASON_NO_LABEL && facts->now.running)
		look_later(doc, facts->id);
}

/* ---- asking one by one -------------------------------------------------------------------- */

static void next_request(struct doctor *doc);

static bool in_environment(const struct settings *s, const struct json *j)
{
	int list = json_get(j, 0, "Config.Env"), element = -1;
	char wanted[160], text[160];

	text_print(wanted, sizeof(wanted), "%.64s=%.64s", config_label(s), s->label_value);
	while (json_next_element(j, list, &element))
		if (span_is_nocase(
			(struct span){text, json_text(j, element, text, sizeof(text))}, wanted))
			return true;
	return false;
}

static void look_value(struct call *call, const struct json *j)
{
	struct doctor *doc = call->owner;
	struct container_facts facts;
	struct monitor_view view;
	struct watch_labels labels;

	if (!facts_read_inspected(j, call->date, &facts))
		return;
	monitor_view(doc->m, doc->engine, j, facts.labels, &facts, &view);
	watch_read_labels(&labels, doc->m->settings, j, facts.labels);
	if (watch_is_watched(view.reason))
		check_healthcheck(doc, &facts, view.reason, &labels);
	else if (in_environment(doc->m->settings, j))
		say(doc, FOUND_PROBLEM, "label", facts.name,
		    "'%s' has %s=%s in its environment, where nobody looks: make it a label (labels: in Compose, "
		    "docker run -l)",
		    facts.name, doc->m->settings->label, doc->m->settings->label_value);
}

static void look_done(struct call *call)
{
	next_request(call->owner);
}

static const struct call_handler look_handler = {.value = look_value, .done = look_done};

/* What is sent to an engine beside the version, the stream and the list. */
static const struct {
	char method[5], path[28], word[8];
	bool needed;    /* a problem where it is forbidden */
	char right[28]; /* what a socket proxy calls it */
	char what[40];  /* is not possible without it */
} requests[] = {
    {"GET", "json", "inspect", true, "CONTAINERS=1", "nothing is healed"},
    {"POST", "restart", "restart", true, "POST=1, or ALLOW_RESTARTS=1", "nothing is healed"},
    {"POST", "start", "start", true, "POST=1, or ALLOW_START=1", "no crash is healed"},
    {"POST", "stop", "stop", false, "POST=1, or ALLOW_STOP=1", "no label autoheal.action=stop works"},
    {"POST", "kill", "kill", false, "POST=1, or ALLOW_RESTARTS=1",
	"no label autoheal.action=kill works"},
    {"GET", "logs?stdout=1&tail=1", "logs", false, "CONTAINERS=1", "incidents have no log lines"},
    {"POST", "exec", "exec", true, "POST=1 and EXEC=1", "no label autoheal.check.exec works"},
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

/* Nobody is there under that name: 404 is what an engine says that was asked. */
static void right_done(struct call *call)
{
	struct doctor *doc = call->owner;
	const char *word = requests[doc->request].word;
	/* what is to be executed is read before the name is looked up */
	bool allowed = call->status == 404 || (call->status == 400 && !strcmp(word, "exec"));

	if (call->end != CALL_ANSWERED)
		say(doc, FOUND_PROBLEM, "rights", NULL, "The request to %s got no answer: %s", word,
		    call->words);
	else if (call->status == 403)
		say(doc, requests[doc->request].needed ? FOUND_PROBLEM : FOUND_NOTE, "rights", NULL,
		    "A proxy before the engine forbids %s (403), without which %s: give it %s",
		    word, requests[doc->request].what, requests[doc->request].right);
	else if (!allowed)
		say(doc, FOUND_PROBLEM, "rights", NULL,
		    "The request to %s was answered with %d: %s", word, call->status, call->words);
	doc->forbidden += call->end != CALL_ANSWERED || !allowed;
	doc->request++;
	next_request(doc);
}

static const struct call_handler right_handler = {.done = right_done};

static void next_request(struct doctor *doc)
{
	struct docker *d = doc->engine;
	const char *error = NULL;
	struct call *call;

	wait_on(doc);
	if (doc->looked < doc->looks) {
		call = docker_inspect(d, doc->look[doc->looked++], &look_handler, doc, &error);
	} else if (doc->request < REQUESTS - !doc->executes) {
		call = docker_request(d, requests[doc->request].method, JSON_STREAM,
		    d->settings->curl_timeout, &right_handler, doc, &error, "/containers/%s/%s%s",
		    NOBODY, requests[doc->request].path, "");
	} else {
		if (!doc->forbidden)
			say(doc, FOUND_OK, "rights", NULL,
			    "Inspect, restart, start, stop, kill and logs are allowed");
		doc->over = true;
		return;
	}
	if (call)
		return;
	say(doc, FOUND_PROBLEM, "engine", NULL, "%s", error);
	doc->over = true;
}

/* ---- the engine --------------------------------------------------------------------------- */

static void on_confirmed(
    void *owner, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	struct doctor *doc = owner;
	char id[65];

	(void)d;
	(void)j;
	text_hex(facts->id, 32, id);
	monitor_set_self(doc->m, span_of(id));
}

static void on_connected(void *owner, struct docker *d)
{
	struct doctor *doc = owner;
	uint64_t minor = 0;

	wait_on(doc);
	text_number(span_of(d->api + 2), 999, &minor);
	say(doc, FOUND_OK, "engine", NULL, "%s: %s %s, API %s", d->target.url,
	    d->podman ? "Podman" : "Docker", d->version, d->api);
	if (span_starts(span_of(d->api), "1.") && minor < 24)
		say(doc, FOUND_PROBLEM, "engine", NULL,
		    "It is too old: API %s, and autoheal needs 1.24 at least (Docker 1.12). Upgrade it",
		    d->api);
}

/* The first of several addresses may fail where the next one does not. */
static void on_failed(void *owner, struct docker *d)
{
	struct doctor *doc = owner;

	if (doc->over || doc->listed || d->tries < d->resolve.count)
		return;
	say(doc, FOUND_PROBLEM, "engine", NULL, "%s", d->error);
	doc->forbidden = doc->listed = true;
	if (d->api[0] && text_glob(span_of("*(403*"), span_of(d->error)))
		next_request(doc); /* a proxy: the other rights are worth knowing at once */
	else
		doc->over = true;
}

static void on_event(void *owner, struct docker *d, const struct json *j,
    const struct engine_event *event, bool live)
{
	(void)owner;
	(void)d;
	(void)j;
	(void)event;
	(void)live;
}

static void on_nothing(void *owner, struct docker *d)
{
	(void)owner;
	(void)d;
}

static void on_list_ended(void *owner, struct docker *d)
{
	struct doctor *doc = owner;
	const struct settings *s = doc->m->settings;

	if (doc->listed)
		return;
	doc->listed = true;
	say(doc, doc->watched ? FOUND_OK : FOUND_NOTE, "watched", NULL,
	    "%u of %llu containers are watched", doc->watched, (unsigned long long)d->containers);
	if (!doc->watched)
		say(doc, FOUND_NOTE, "watched", NULL,
		    "A container is watched with the label %s=%s (labels: in Compose, docker run -l)",
		    s->label, s->label_value);
	if (doc->not_all)
		say(doc, FOUND_NOTE, "watched", NULL,
		    "Only %d of those without a label were looked at more closely", DOCTOR_LOOKS_MAX);
	next_request(doc);
}

static const struct docker_handler handler = {
    .confirmed = on_confirmed,
    .connected = on_connected,
    .lost = on_failed,
    .away = on_failed,
    .event = on_event,
    .batch = on_nothing,
    .list_begins = on_nothing,
    .listed = on_listed,
    .list_ended = on_list_ended,
    .blind = on_nothing,
};

static void patience_over(void *owner)
{
	struct doctor *doc = owner;

	say(doc, FOUND_PROBLEM, "engine", NULL, "%s did not answer within %d s",
	    doc->engine->target.url, DOCTOR_WAIT_MS / 1000);
	doc->over = true;
}

static void check_engine(struct doctor *doc, struct docker *d)
{
	doc->engine = d;
	doc->over = doc->listed = doc->not_all = doc->executes = false;
	doc->watched = doc->forbidden = doc->request = 0;
	doc->looks = doc->looked = 0;
	d->handler = &handler;
	d->owner = doc;
	wait_on(doc);
	docker_start(d);
	while (!doc->over)
		loop_turn(doc->m->loop);
	docker_close(d);
	doc->engine = NULL;
}

int doctor_run(struct monitor *m, bool json)
{
	const char *plain = getenv("NO_COLOR");
	struct doctor doc = {
	    .m = m, .json = json, .colours = !json && isatty(STDOUT_FILENO) && !(plain && plain[0])};

	doc.patience = (struct loop_timer){.fire = patience_over, .owner = &doc};
	log_setup((enum log_level)(LOG_ERROR + 1), LOG_TEXT); /* what there is to say is a finding */
	buf_init(&doc.out, 4 << 20);
	json_start(&doc.w, &doc.out);
	json_print(&doc.w, "{ findings [");
	check_storage(&doc);
	check_notices(&doc);
	for (size_t i = 0; i < m->engines_count; i++)
		check_engine(&doc, &m->engines[i]);
	json_print(&doc.w, "] problems %u }", doc.problems);
	buf_add_text(&doc.out, "\n");
	for (size_t i = 0; json && i < doc.out.n; i += PIECE)
		cli_say(STDOUT_FILENO, "%.*s", (int)(doc.out.n - i < PIECE ? doc.out.n - i : PIECE),
		    doc.out.p + i);
	if (!json && doc.told > DOCTOR_LINES_MAX)
		cli_say(STDOUT_FILENO, "and %u more\n", doc.told - DOCTOR_LINES_MAX);
	if (!json)
		cli_say(STDOUT_FILENO, doc.problems ? "%u to mend\n" : "All is well\n", doc.problems);
	buf_free(&doc.out);
	loop_cancel(m->loop, &doc.patience);
	return doc.problems ? 1 : 0;
}

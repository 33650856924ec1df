/* api_containers.c - the answers that ask the engines: names, images and labels are not kept, so
 * what a person looks at comes fresh from the engine's list or inspect, while the loop goes on. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "log.h"

#define PIECE_MAX (512 * 1024) /* bytes of one container in an answer */
#define NAME_MAX_BYTES 300     /* of a container's name, prefix or identity in a request */
#define CANDIDATE_MAX 144      /* of one of several that a name fits */

enum job_kind { JOB_LIST, JOB_ONE, JOB_SELECT };

/* A container as a person named it. An exact name or identity beats a prefix of an id. */
struct wish {
	char name[NAME_MAX_BYTES];
	bool exact, found;
	size_t matches;
	uint8_t id[32]; /* of the last match */
	size_t engine;
	char candidates[API_CANDIDATES_MAX][CANDIDATE_MAX];
};

/* One answer under way: the lists of the engines one after another, then perhaps an inspect. */
struct job {
	enum job_kind kind;
	struct api *api;
	struct server_client *client;
	struct call *call;
	struct loop_timer patience; /* with the engine being asked, where there are several */
	uint64_t vain;              /* ms waited for engines that brought nothing */
	size_t left_out; /* engines that could not be asked, or did not bring their list */
	size_t engine;   /* the one being asked */
	char host[64];   /* only this one; "" = all */
	bool sees_all;
	bool stopped_too;        /* JOB_LIST */
	bool any;                /* something was written */
	bool selected, choosing; /* JOB_SELECT: first all are found, then the choice is carried out */
	enum api_wish wish;      /* JOB_ONE */
	int64_t until;           /* of API_SNOOZE */
	const char *refusal;     /* why what is wished cannot be */
	size_t wishes_count;     /* 1 for JOB_ONE */
	struct wish *wishes;
	struct buf chosen; /* stable ids as a JSON list without brackets */
};

static void ask_next(struct job *job);
static void engine_is_silent(void *owner);

/* ---- printing one container -------------------------------------------------------------- */

static bool is_public_label(struct span key)
{
	return span_starts(key, "autoheal") || span_is(key, "monitoring.id") ||
	    span_is(key, "com.docker.compose.project") || span_is(key, "com.docker.compose.service");
}

static void print_labels(struct json_writer *w, const struct json *j, int labels, bool sees_all)
{
	int key = -1, value;
	char text[4096];

	json_print(w, "labels {");
	while (json_next_member(j, labels, &key, &value)) {
		char name[512];
		size_t n = json_text(j, key, name, sizeof(name));

		json_key(w, name);
		if (sees_all || is_public_label((struct span){name, n}))
			json_string(w, (struct span){text, json_text(j, value, text, sizeof(text))});
		else
			json_cstring(w, "***");
	}
	json_close(w, '}');
}

static void key_time(struct json_writer *w, const char *key, const struct json *j, int token)
{
	char text[48];
	int64_t wall;
	size_t n = json_text(j, token, text, sizeof(text));

	json_key(w, key);
	json_time(w, text_read_time((struct span){text, n}, &wall) ? wall : 0);
}

static void key_maybe_int(struct json_writer *w, const char *key, const struct json *j, int token)
{
	json_key(w, key);
	if (token < 0)
		json_null(w);
	else
		json_number(w, json_int(j, token, 0));
}

/* "Exited (137) 3 minutes ago": the list's only word on the exit code. */
static void key_listed_exit(struct json_writer *w, const struct json *j)
{
	struct span status = json_raw(j, json_get(j, 0, "Status"));
	uint64_t code;
	const char *end;

	json_key(w, "exit_code");
	if (span_starts(status, "Exited (")) {
		end = memchr(status.p, ')', status.n);
		if (end &&
		    text_number(
			(struct span){status.p + 8, (size_t)(end - status.p) - 8}, 255, &code)) {
			json_number(w, (int64_t)code);
			return;
		}
	}
	json_null(w);
}

/* state: the token of State in an inspect, -1 for an element of the list. */
static void print_state(struct json_writer *w, const struct json *j, int state, const char *status,
    const struct policy_facts *f)
{
	json_print(w, "state { status %s running %d paused %d restarting %d", status, f->running,
	    f->paused, f->restarting);
	if (state >= 0)
		key_maybe_int(w, "exit_code", j, json_get(j, state, "ExitCode"));
	else
		key_listed_exit(w, j);
	key_time(w, "started_at", j, json_get(j, state, "StartedAt"));
	key_time(w, "finished_at", j, json_get(j, state, "FinishedAt"));
	json_key(w, "oom_killed");
	if (state >= 0)
		json_bool_value(w, json_bool(j, json_get(j, state, "OOMKilled"), false));
	else
		json_null(w);
	json_close(w, '}');
}

/* c: its record, or NULL; where it has no healthcheck, what its own probe says. */
static void print_health(struct json_writer *w, const struct policy_facts *f, bool streak_known,
    struct monitor *m, const struct container *c)
{
	enum container_health health = f->health;
	uint32_t streak = f->streak;

	if (health <= HEALTH_NONE && c && c->running && policy_health(c) > HEALTH_NONE) {
		health = policy_health(c);
		streak = monitor_probe_streak(m, c);
		streak_known = c->word != WORD_NONE;
	}
	json_key(w, "health");
	if (health <= HEALTH_NONE) {
		json_null(w);
		return;
	}
	json_print(w, "{ status %s failing_streak", policy_health_name(health));
	if (streak_known)
		json_number(w, streak);
	else
		json_null(w);
	json_close(w, '}');
}

void api_print_next_action(struct json_writer *w, const struct monitor *m, const struct container *c)
{
	uint64_t at = 0;
	const char *why = NULL;
	const char *action = c ? policy_next_action(&m->policy, c, &at, &why) : NULL;
	uint64_t in;

	json_key(w, "next_action");
	if (!action) {
		json_null(w);
		return;
	}
	in = at > m->loop->now ? at - m->loop->now : 0;
	json_print(w, "{ action %s at %lli in_seconds", action,
	    at ? (long long)m->loop->wall + (long long)in : 0);
	if (at)
		json_seconds(w, in);
	else
		json_null(w);
	json_print(w, "reason %s }", why);
}

bool api_say_watched(const struct monitor *m, const struct monitor_view *view, const char *status,
    char *reason, size_t cap)
{
	const struct container *c = view->container;
	bool watched = c && !c->dropped;

	watch_say(watched ? (enum watch_reason)c->reason : view->reason, m->settings, reason, cap);
	if (!watched && watch_is_watched(view->reason))
		text_print(reason, cap, "it %s; it is watched from its next start on",
		    strcmp(status, "exited") ? "is not running" : "stopped while nobody watched");
	if (watched && policy_left_words(c))
		text_print(reason, cap, "%s", policy_left_words(c));
	return watched;
}

/* What autoheal itself says of the container. */
static void print_ours(struct json_writer *w, struct job *job, const struct docker *d,
    const struct monitor_view *view, const char *status)
{
	struct monitor *m = job->api->monitor;
	const struct container *c = view->container;
	const struct identity *identity = c
	    ? c->identity
	    : containers_identity(&m->policy.containers, span_of(view->stable_id), false);
	char reason[160];
	bool watched = api_say_watched(m, view, status, reason, sizeof(reason));

	json_print(w,
	    "restart_count %u monitored %d quarantined %d stable_id %s host %s reason %s phase %s "
	    "snoozed_until %lli",
	    identity ? identity->restarts : 0, watched,
	    identity && identity->heal && identity->heal->quarantined, view->stable_id, d->name,
	    reason, watched ? policy_state_name((enum container_state)c->state) : "unwatched",
	    (long long)monitor_snoozed_until(m, identity));
	api_print_next_action(w, m, watched ? c : NULL);
}

/* inspect: j is an inspect's answer, else an element of the list. */
static void print_container(struct buf *out, struct job *job, const struct docker *d,
    const struct json *j, const struct container_facts *facts, bool inspect)
{
	struct monitor_view view;
	struct json_writer w;
	char id[65], status[32], image[512];
	int state = inspect ? json_get(j, 0, "State") : -1;

	monitor_view(job->api->monitor, d, j, facts->labels, facts, &view);
	text_hex(facts->id, 32, id);
	json_text(j, inspect ? json_get(j, state, "Status") : json_get(j, 0, "State"), status,
	    sizeof(status));
	json_text(j, inspect ? json_get(j, 0, "Config.Image") : json_get(j, 0, "Image"), image,
	    sizeof(image));
	json_start(&w, out);
	json_print(&w, "{ id %.*s full_id %s name %s image %s status %s", 12, id, id, facts->name,
	    image, status);
	print_state(&w, j, state, status, &facts->now);
	print_labels(&w, j, facts->labels, job->sees_all);
	print_health(&w, &facts->now, inspect || json_get(j, 0, "Health") >= 0, job->api->monitor,
	    view.container);
	print_ours(&w, job, d, &view, status);
	json_close(&w, '}');
}

/* ---- jobs -------------------------------------------------------------------------------- */

static void free_job(struct job *job)
{
	loop_cancel(job->api->monitor->loop, &job->patience);
	free(job->wishes);
	buf_free(&job->chosen);
	free(job);
}

/* The client left before its answer was complete. */
static void client_gone(struct server_client *c)
{
	struct job *job = c->job;

	if (job->call)
		call_close(job->call);
	free_job(job);
}

/* How long the engine may leave us waiting; one whose list takes its time has shown so in its last audit. */
static uint64_t patience_with(const struct job *job, const struct docker *d)
{
	uint64_t usual = 2 * d->audit_took, most = API_PATIENCE_LEAST_MS;

	if (job->vain + API_PATIENCE_LEAST_MS < API_PATIENCE_MS)
		most = API_PATIENCE_MS - job->vain;
	if (usual > API_PATIENCE_SLOW_MS)
		usual = API_PATIENCE_SLOW_MS;
	return usual > most ? usual : most;
}

/* It was asked, or brought something: from here on it has its time anew. Alone it has that of the call. */
static void begin_patience(struct job *job)
{
	struct monitor *m = job->api->monitor;

	if (m->engines_count > 1)
		loop_after(m->loop, &job->patience, patience_with(job, &m->engines[job->engine]));
}

/* There is room again: the engine's list goes on. */
static bool go_on(struct server_client *c)
{
	struct job *job = c->job;

	if (job->call && job->call->paused) {
		call_pause(job->call, false);
		begin_patience(job);
	}
	return false;
}

static struct job *new_job(
    struct api *api, struct server_client *c, const struct server_request *r, enum job_kind kind)
{
	struct job *job;
	struct span host = http_query(r->query, "host");
	int n;

	job = calloc(1, sizeof(*job));
	if (!job) {
		server_error(c, 500, "There is not enough memory for this answer");
		return NULL;
	}
	job->kind = kind;
	job->api = api;
	job->client = c;
	job->sees_all = r->sees_all;
	buf_init(&job->chosen, SERVER_BODY_MAX);
	job->patience = (struct loop_timer){.fire = engine_is_silent, .owner = job};
	n = host.p ? http_decode(host, job->host, sizeof(job->host) - 1) : 0;
	if (n < 0) {
		free_job(job);
		server_error(c, 400, "host must be the percent-encoded name of an engine");
		return NULL;
	}
	job->host[n] = 0;
	c->job = job;
	c->gone = client_gone;
	return job;
}

/* Answers with an error and ends the job. */
static void fail(struct job *job, int status, const char *sentence)
{
	struct server_client *c = job->client;

	c->gone = NULL;
	server_error(c, status, "%s", sentence);
	free_job(job);
}

/* ---- what the lists show ----------------------------------------------------------------- */

static void write_listed(struct job *job, const struct docker *d, const struct json *j,
    const struct container_facts *facts)
{
	struct buf piece;

	if (!facts->now.running && !job->stopped_too)
		return;
	server_piece(job->api->server, &piece, PIECE_MAX);
	buf_add_text(&piece, job->any ? "," : "[");
	print_container(&piece, job, d, j, facts, false);
	if (!piece.failed) {
		server_stream(job->client, (struct span){piece.p, piece.n});
		job->any = true;
	}
	buf_free(&piece);
	if (server_backlog(job->client) > SERVER_OUT_HIGH)
		call_pause(job->call, true);
}

static void note_match(struct job *job, struct wish *wish, const struct container_facts *facts,
    enum monitor_match match)
{
	const struct monitor *m = job->api->monitor;
	bool several = m->engines_count > 1;
	char id[13];

	if (match == MONITOR_MATCH_PREFIX && wish->exact)
		return;
	if (match == MONITOR_MATCH_NAME && !wish->exact) {
		wish->exact = true;
		wish->matches = 0;
	}
	memcpy(wish->id, facts->id, 32);
	wish->engine = job->engine;
	if (wish->matches < API_CANDIDATES_MAX) {
		text_hex(facts->id, 6, id);
		text_print(wish->candidates[wish->matches], sizeof(wish->candidates[0]),
		    "%s%s%.60s (%s)", several ? m->engines[job->engine].name : "",
		    several ? "/" : "", facts->name, id);
	}
	wish->matches++;
}

static void look_for(struct job *job, const struct docker *d, const struct json *j,
    const struct container_facts *facts)
{
	struct monitor_view view;

	monitor_view(job->api->monitor, d, j, facts->labels, facts, &view);
	for (size_t i = 0; i < job->wishes_count; i++) {
		enum monitor_match match = monitor_match(
		    job->wishes[i].name, d->name, facts->name, facts->id, view.stable_id);

		if (match != MONITOR_MATCH_NONE)
			note_match(job, &job->wishes[i], facts, match);
	}
}

static void add_chosen(struct job *job, const char *stable_id)
{
	struct json_writer w;

	if (job->chosen.n)
		buf_add_text(&job->chosen, ",");
	json_start(&w, &job->chosen);
	json_cstring(&w, stable_id);
}

static void choose_listed(
    struct job *job, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	struct monitor_view view;
	bool chosen = false;

	for (size_t i = 0; i < job->wishes_count; i++) {
		struct wish *wish = &job->wishes[i];

		if (!wish->matches || wish->engine != job->engine || memcmp(wish->id, facts->id, 32))
			continue;
		wish->found = true;
		chosen = true;
	}
	if (!chosen)
		return;
	monitor_view(job->api->monitor, d, j, facts->labels, facts, &view);
	if (monitor_choose(job->api->monitor, d, j, facts, job->selected))
		add_chosen(job, view.stable_id);
}

static void list_value(struct call *call, const struct json *j)
{
	struct job *job = call->owner;
	struct docker *d = &job->api->monitor->engines[job->engine];
	struct container_facts facts;

	if (!facts_read_listed(j, d->podman, &facts))
		return;
	if (job->kind == JOB_LIST)
		write_listed(job, d, j, &facts);
	else if (job->choosing)
		choose_listed(job, d, j, &facts);
	else
		look_for(job, d, j, &facts);
}

static void list_done(struct call *call)
{
	struct job *job = call->owner;
	const struct docker *d = &job->api->monitor->engines[job->engine];

	job->call = NULL;
	loop_cancel(call->loop, &job->patience);
	if (call->end != CALL_ANSWERED || call->status != 200) {
		log_line(LOG_WARNING, "api",
		    "Engine '%s' did not bring its list for an answer of the API: %s", d->name,
		    call->words);
		job->left_out++;
	}
	job->engine++;
	ask_next(job);
}

/* One read was dealt with. While the client must take it first, the engine is not to blame. */
static void list_batch(struct call *call)
{
	struct job *job = call->owner;

	if (call->paused)
		loop_cancel(call->loop, &job->patience);
	else
		begin_patience(job);
}

static const struct call_handler list_handler = {
    .value = list_value, .batch = list_batch, .done = list_done};

/* The engine being asked leaves us waiting: the answer goes on without it. */
static void engine_is_silent(void *owner)
{
	struct job *job = owner;
	struct monitor *m = job->api->monitor;
	const struct docker *d = &m->engines[job->engine];

	job->vain += patience_with(job, d);
	job->left_out++;
	job->api->silent_at[job->engine] = m->loop->now;
	log_line(LOG_WARNING, "api",
	    "Engine '%s' does not bring its list: answers of the API are without its containers until it has been audited again",
	    d->name);
	call_close(job->call);
	job->call = NULL;
	job->engine++;
	ask_next(job);
}

/* ---- the ends ---------------------------------------------------------------------------- */

static void end_list(struct job *job)
{
	struct server_client *c = job->client;

	c->gone = NULL;
	server_stream(c, span_of(job->any ? "]" : "[]"));
	server_stream_end(c);
	free_job(job);
}

static void show_value(struct call *call, const struct json *j)
{
	struct job *job = call->owner;
	struct docker *d = &job->api->monitor->engines[job->wishes[0].engine];
	struct container_facts facts;
	struct monitor_view view;

	if (job->any || !facts_read_inspected(j, call->date, &facts))
		return;
	job->any = true;
	if (job->wish == API_SHOW) {
		print_container(&job->chosen, job, d, j, &facts, true);
		return;
	}
	monitor_view(job->api->monitor, d, j, facts.labels, &facts, &view);
	if (job->wish == API_INCIDENTS) {
		incidents_print(&job->api->monitor->incidents, &job->chosen, view.stable_id,
		    d->name, job->sees_all);
		return;
	}
	job->refusal = api_grant(job->api, job->wish, job->until, d, &view, &facts, &job->chosen);
}

/* What was made of one container is the answer. */
static void answer(struct job *job, int status)
{
	struct server_client *c = job->client;

	c->gone = NULL;
	if (job->wish == API_RELEASE || job->wish == API_SNOOZE)
		api_answer_stored(job->api, c, status, &job->chosen);
	else
		server_answer_json(c, status, &job->chosen);
	free_job(job);
}

static void show_done(struct call *call)
{
	struct job *job = call->owner;
	char sentence[CALL_WORDS_MAX + 64];

	job->call = NULL;
	if (!job->any) {
		text_print(sentence, sizeof(sentence), "The engine did not show it: %s", call->words);
		fail(job, call->status == 404 ? 404 : 503, sentence);
		return;
	}
	if (job->refusal) {
		fail(job, 409, job->refusal);
		return;
	}
	answer(job, job->wish == API_RESTART ? 202 : 200);
}

static const struct call_handler show_handler = {.value = show_value, .done = show_done};

/* Answers 409 with the candidates where a name fits several containers. */
static bool is_ambiguous(struct job *job, const struct wish *wish)
{
	char sentence[API_CANDIDATES_MAX * (CANDIDATE_MAX + 2) + 128];
	size_t n;

	if (wish->matches < 2)
		return false;
	n = (size_t)text_print(sentence, sizeof(sentence), "'%.100s' is ambiguous:", wish->name);
	for (size_t i = 0; i < wish->matches && i < API_CANDIDATES_MAX; i++)
		n += (size_t)text_print(
		    sentence + n, sizeof(sentence) - n, "%s %s", i ? "," : "", wish->candidates[i]);
	fail(job, 409, sentence);
	return true;
}

static void end_show(struct job *job)
{
	const struct wish *wish = &job->wishes[0];
	struct docker *d = &job->api->monitor->engines[wish->engine];
	char sentence[NAME_MAX_BYTES + 96];
	const char *error;

	/* gone from its engine, it may be known all the same */
	if (!wish->matches && job->wish == API_INCIDENTS) {
		job->chosen.max = PIECE_MAX;
		job->any = incidents_print(&job->api->monitor->incidents, &job->chosen, wish->name,
		    job->host[0] ? job->host : NULL, job->sees_all);
	}
	if (!wish->matches && job->any) {
		answer(job, 200);
		return;
	}
	if (!wish->matches) {
		text_print(sentence, sizeof(sentence), "There is no container '%s'%s", wish->name,
		    job->left_out ? " on the engines that answer; not all of them do" : "");
		fail(job, job->left_out && job->api->monitor->engines_count == 1 ? 503 : 404,
		    sentence);
		return;
	}
	if (is_ambiguous(job, wish))
		return;
	buf_free(&job->chosen);
	buf_init(&job->chosen, PIECE_MAX);
	job->call = docker_inspect(d, wish->id, &show_handler, job, &error);
	if (!job->call)
		fail(job, 503, error);
}

static void print_unknown(struct json_writer *w, const struct job *job)
{
	json_print(w, "unknown [");
	for (size_t i = 0; i < job->wishes_count; i++)
		if (!job->wishes[i].found)
			json_cstring(w, job->wishes[i].name);
	json_close(w, ']');
}

/* All names are looked up: the choice is carried out in a second pass, so that it is whole or not at
 * all. */
static void begin_choosing(struct job *job)
{
	for (size_t i = 0; i < job->wishes_count; i++)
		if (is_ambiguous(job, &job->wishes[i]))
			return;
	job->choosing = true;
	job->engine = 0;
	ask_next(job);
}

static void end_select(struct job *job)
{
	struct server_client *c = job->client;
	struct json_writer w;
	struct buf body;
	bool any = false;

	/* what is not there now may be known by its identity all the same */
	for (size_t i = 0; i < job->wishes_count; i++) {
		struct wish *wish = &job->wishes[i];

		if (!wish->found &&
		    monitor_choose_identity(job->api->monitor, span_of(wish->name), job->selected)) {
			wish->found = true;
			add_chosen(job, wish->name);
		}
		any |= wish->found;
	}
	if (!any) {
		fail(job, 404, "None of these containers is known");
		return;
	}
	buf_init(&body, 2 * SERVER_BODY_MAX);
	json_start(&w, &body);
	json_open(&w, '{');
	for (int excluded = 0; excluded < 2; excluded++) {
		json_print(&w, excluded ? "excluded [" : "selected [");
		if (job->selected == !excluded && job->chosen.n)
			json_raw_value(&w, (struct span){job->chosen.p, job->chosen.n});
		json_close(&w, ']');
	}
	print_unknown(&w, job);
	json_close(&w, '}');
	c->gone = NULL;
	api_answer_stored(job->api, c, 200, &body);
	free_job(job);
}

/* Whether the engine's list is needed at all: a choice is carried out only where a name was found. */
static bool is_concerned(const struct job *job, const struct docker *d)
{
	if (job->host[0] && strcmp(job->host, d->name))
		return false;
	for (size_t i = 0; job->choosing && i < job->wishes_count; i++)
		if (job->wishes[i].matches && job->wishes[i].engine == d->index)
			return true;
	return !job->choosing;
}

/* Whether the engine is known to be away, or silent since its last audit: it must not hold up the answer of the others. */
static bool is_away(const struct job *job, const struct docker *d)
{
	uint64_t silent_at = job->api->silent_at[d->index];

	if (job->api->monitor->engines_count == 1)
		return false;
	return !d->connected ||
	    (silent_at && d->last_audit_now <= silent_at && d->loop->now - silent_at < API_SILENT_MS);
}

/* Asks the next engine for its list; after the last one the answer ends. */
static void ask_next(struct job *job)
{
	struct monitor *m = job->api->monitor;
	const char *error = NULL;

	for (; job->engine < m->engines_count; job->engine++) {
		struct docker *d = &m->engines[job->engine];

		if (!is_concerned(job, d))
			continue;
		if (is_away(job, d)) {
			job->left_out++;
			continue;
		}
		job->call = docker_request(d, "GET", JSON_ARRAY, job->api->settings->curl_timeout,
		    &list_handler, job, &error, "/containers/json?all=1");
		if (job->call) {
			begin_patience(job);
			return;
		}
		job->left_out++;
	}
	if (error && m->engines_count == 1 && job->kind != JOB_LIST) {
		fail(job, 503, error);
		return;
	}
	if (job->kind == JOB_LIST)
		end_list(job);
	else if (job->kind == JOB_ONE)
		end_show(job);
	else if (job->choosing)
		end_select(job);
	else
		begin_choosing(job);
}

/* ---- the calls --------------------------------------------------------------------------- */

void api_list_containers(struct api *api, struct server_client *c, struct server_request *r)
{
	struct span stopped = http_query(r->query, "include_stopped");
	bool stopped_too = false;
	struct job *job;

	if (stopped.p && !text_boolean(stopped, &stopped_too)) {
		server_error(c, 400, "include_stopped must be true or false");
		return;
	}
	if (api->monitor->engines_count == 1 && !api->monitor->engines[0].api[0]) {
		server_error(
		    c, 503, "The engine is not connected: %s", api->monitor->engines[0].error);
		return;
	}
	job = new_job(api, c, r, JOB_LIST);
	if (!job)
		return;
	job->stopped_too = stopped_too;
	c->more = go_on;
	server_stream_begin(c, 200, "application/json");
	ask_next(job);
}

void api_one_container(struct api *api, struct server_client *c, struct server_request *r)
{
	struct span name = r->name;
	enum api_wish wish = (enum api_wish)r->wish;
	int64_t until = 0;
	struct job *job;
	struct json j;

	if (wish >= API_RESTART &&
	    !api_read_body(api, c, r, &j, "{\"for\":\"2h\"}", wish == API_SNOOZE))
		return;
	if (wish == API_SNOOZE && !api_read_until(api, c, &j, true, &until))
		return;
	if (name.n >= NAME_MAX_BYTES) {
		server_error(c, 404, "There is no container with so long a name");
		return;
	}
	job = new_job(api, c, r, JOB_ONE);
	if (!job)
		return;
	job->wish = wish;
	job->until = until;
	job->wishes = calloc(1, sizeof(job->wishes[0]));
	if (!job->wishes) {
		fail(job, 500, "There is not enough memory for this answer");
		return;
	}
	job->wishes_count = 1;
	span_copy(name, job->wishes[0].name, sizeof(job->wishes[0].name));
	ask_next(job);
}

/* {"container_ids":[…],"enabled":bool}; answers and returns false where it is something else. */
static bool read_choice(struct server_client *c, const struct json *j, struct job *job)
{
	int ids = json_get(j, 0, "container_ids"), enabled = json_get(j, 0, "enabled"), element = -1;
	struct span truth = json_raw(j, enabled);

	if (!json_is_array(j, ids) || json_is_string(j, enabled) ||
	    !(span_is(truth, "true") || span_is(truth, "false"))) {
		fail(job, 422,
		    "The body must be {\"container_ids\":[\"NAME\"],\"enabled\":true or false}");
		return false;
	}
	job->selected = json_bool(j, enabled, false);
	job->wishes = calloc(API_CHOICES_MAX, sizeof(job->wishes[0]));
	if (!job->wishes) {
		fail(job, 500, "There is not enough memory for this answer");
		return false;
	}
	while (json_next_element(j, ids, &element)) {
		struct wish *wish = &job->wishes[job->wishes_count];

		if (job->wishes_count == API_CHOICES_MAX) {
			fail(job, 422, "container_ids may name at most 64 containers");
			return false;
		}
		if (!json_is_string(j, element) ||
		    !json_text(j, element, wish->name, sizeof(wish->name))) {
			fail(job, 422,
			    "container_ids must be names, id prefixes of at least 4 digits, or stable ids");
			return false;
		}
		job->wishes_count++;
	}
	if (!job->wishes_count) {
		fail(job, 422, "container_ids names no container");
		return false;
	}
	(void)c;
	return true;
}

void api_select_containers(struct api *api, struct server_client *c, struct server_request *r)
{
	struct job *job;
	struct json j;

	if (!api_read_body(api, c, r, &j, "{\"container_ids\":[\"NAME\"],\"enabled\":true}", true))
		return;
	job = new_job(api, c, r, JOB_SELECT);
	if (job && read_choice(c, &j, job))
		ask_next(job);
}

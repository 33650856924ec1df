/* healthchecks.c - the probes that people gave, of healthchecks.h. */
#include "healthchecks.h"

#include <stdlib.h>
#include <string.h>

#define MASK "***"
#define MASKED_COMMAND "[\"" MASK "\"]"

/* ---- one of them ---------------------------------------------------------------------------- */

/* Names as they stand in a URL and in a header Host; of an IPv6 address with its brackets. */
static bool is_host(struct span host)
{
	for (size_t i = 0; i < host.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[:]",
			host.p[i]))
			return false;
	return host.n && host.n < 254;
}

/* ":8080/health", or "http://HOST:8080/health". */
static bool read_endpoint(struct watch_check *check, struct span value)
{
	char rest[WATCH_CHECK_MAX + 4];
	struct span host = {value.p, 0};
	size_t n;

	if (value.n >= WATCH_CHECK_MAX) /* it was cut */
		return false;
	if (!span_starts(value, "http://"))
		return watch_read_endpoint(check, value);
	host.p += 7;
	value = (struct span){host.p, value.n - 7};
	while (host.n < value.n && host.p[host.n] != '/' &&
	    (host.p[host.n] != ':' || (host.p[0] == '[' && !memchr(host.p, ']', host.n))))
		host.n++;
	value = (struct span){host.p + host.n, value.n - host.n};
	n = (size_t)text_print(rest, sizeof(rest), "%s%.*s",
	    value.n && value.p[0] == ':' ? "" : ":80", (int)value.n, value.p);
	if (!is_host(host) || n >= sizeof(rest) ||
	    !watch_read_endpoint(check, (struct span){rest, n}))
		return false;
	n = strlen(check->what) + 1;
	if (n + host.n > sizeof(check->what))
		return false;
	memmove(check->what + host.n, check->what, n);
	memcpy(check->what, host.p, host.n);
	return true;
}

/* An array of texts, kept as it stands; a masked one in one form. */
static bool read_command(struct watch_check *check, const struct json *j, int token)
{
	int element = -1, count = 0;
	struct span raw = json_raw(j, token);

	while (json_is_array(j, token) && json_next_element(j, token, &element))
		if (!json_is_string(j, element) || (!count++ && !json_raw(j, element).n))
			return false;
	if (count == 1 && json_is(j, token + 1, MASK))
		raw = span_of(MASKED_COMMAND);
	if (!count || raw.n >= sizeof(check->what))
		return false;
	span_copy(raw, check->what, sizeof(check->what));
	return true;
}

/* A whole number within bounds; where it is left out `otherwise`. */
static bool read_number(const struct json *j, int object, const char *member, int64_t least,
    int64_t most, uint32_t otherwise, uint32_t *out)
{
	int token = json_member(j, object, span_of(member));
	int64_t n = json_is_null(j, token) ? otherwise : json_int(j, token, -1);

	*out = (uint32_t)n;
	return n >= least && n <= most;
}

const char *healthcheck_read(
    const struct json *j, int object, struct healthcheck *out, const char **member)
{
	static const char numbers[][24] = {
	    "interval_seconds", "timeout_seconds", "start_period_seconds", "retries"};
	static const uint16_t defaults[] = {30, 10, 0, 3};
	struct watch_check *check = &out->check;
	uint32_t values[4], status = 200, port = 0;
	char text[WATCH_CHECK_MAX + 1];
	int type = json_get(j, object, "check_type");
	size_t n;

	memset(out, 0, sizeof(*out));
	*member = "container_id";
	if (!json_text(j, json_get(j, object, "container_id"), out->container, sizeof(out->container)))
		return "It must be a container's name, stable id, or id of at least 4 digits";
	check->kind = json_is(j, type, "http") ? CHECK_HTTP
	    : json_is(j, type, "tcp")          ? CHECK_TCP
	    : json_is(j, type, "exec")         ? CHECK_EXEC
					       : CHECK_NONE;
	*member = "check_type";
	if (!check->kind)
		return "It must be \"http\", \"tcp\" or \"exec\"";
	for (int i = 0; i < 4; i++) {
		*member = numbers[i];
		if (!read_number(j, object, numbers[i], i != 2,
			i == 3 ? 1000 : HEALTHCHECK_TIME_MAX, defaults[i], &values[i]))
			return i == 3 ? "It must be a number of failures, from 1 to 1000"
				      : "It must be whole seconds, at most a day";
	}
	check->interval = values[0] * 1000;
	check->timeout = values[1] * 1000;
	check->start_period = values[2] * 1000;
	check->retries = values[3];
	if (check->kind == CHECK_HTTP) {
		*member = "http_expected_status";
		if (!read_number(j, object, *member, 100, 599, 200, &status))
			return "It must be a status of HTTP, from 100 to 599";
		*member = "http_endpoint";
		n = json_text(j, json_get(j, object, *member), text, sizeof(text));
		if (!read_endpoint(check, (struct span){text, n}))
			return "It must be \":PORT/PATH\" of the container, or \"http://HOST:PORT/PATH\" (https is not probed)";
	} else if (check->kind == CHECK_TCP) {
		*member = "tcp_port";
		if (!read_number(j, object, *member, 1, UINT16_MAX, 0, &port))
			return "It must be a port, from 1 to 65535";
		check->port = (uint16_t)port;
	} else {
		*member = "exec_command";
		if (!read_command(check, j, json_get(j, object, *member)))
			return "It must be a list of texts, the program and its arguments, of 511 bytes at most";
	}
	check->status = (uint16_t)status;
	return NULL;
}

/* A number, or null where that is of another kind of check. */
static void print_number(struct json_writer *w, const char *member, uint32_t n, bool there)
{
	json_key(w, member);
	if (there)
		json_number(w, n);
	else
		json_null(w);
}

/* Where in check->what the part begins that is masked. */
static size_t secret_part(const struct watch_check *check)
{
	const char *query = strchr(check->what, '?');

	return check->kind == CHECK_EXEC ? 0
	    : query                      ? (size_t)(query - check->what) + 1
					 : strlen(check->what);
}

void healthcheck_print(struct json_writer *w, const struct healthcheck *h, bool plain)
{
	static const char kinds[][5] = {"", "http", "tcp", "exec"};
	const struct watch_check *check = &h->check;
	bool http = check->kind == CHECK_HTTP;
	int host = (int)strcspn(check->what, "/"), end = (int)secret_part(check);
	const char *query = plain || !check->what[end] ? check->what + end : MASK;
	char endpoint[WATCH_CHECK_MAX + 24];

	if (http)
		text_print(endpoint, sizeof(endpoint), "%s%.*s:%u%.*s%s", host ? "http://" : "",
		    host, check->what, check->port, end - host, check->what + host, query);
	json_print(w,
	    "{ container_id %s check_type %s interval_seconds %u timeout_seconds %u retries %u "
	    "start_period_seconds %u http_endpoint %s",
	    h->container, kinds[check->kind], check->interval / 1000, check->timeout / 1000,
	    check->retries, check->start_period / 1000, http ? endpoint : NULL);
	print_number(w, "http_expected_status", check->status, http);
	print_number(w, "tcp_port", check->port, check->kind == CHECK_TCP);
	json_key(w, "exec_command");
	json_raw_value(w,
	    span_of(check->kind != CHECK_EXEC ? "null"
		    : plain                   ? check->what
					      : MASKED_COMMAND));
}

/* ---- all of them ---------------------------------------------------------------------------- */

/* Where the one of that container hangs, or the end. */
static struct healthcheck **find(struct healthchecks *t, const char *container)
{
	struct healthcheck **link = &t->first;

	while (*link && strcmp((*link)->container, container))
		link = &(*link)->next;
	return link;
}

struct healthcheck *healthchecks_find(const struct healthchecks *t, const char *container)
{
	struct healthcheck *h = t->first;

	while (h && strcmp(h->container, container))
		h = h->next;
	return h;
}

const char *healthchecks_unmask(
    const struct healthchecks *t, struct healthcheck *h, const char **member)
{
	const struct healthcheck *kept = healthchecks_find(t, h->container);
	bool exec = h->check.kind == CHECK_EXEC;
	size_t same = secret_part(&h->check);

	if (strcmp(h->check.what + same, exec ? MASKED_COMMAND : MASK))
		return NULL;
	*member = exec ? "exec_command" : "http_endpoint";
	if (!kept || kept->check.kind != h->check.kind || kept->check.port != h->check.port ||
	    strncmp(kept->check.what, h->check.what, same))
		return "What " MASK
		       " stands for is not known: no such check is kept of this container";
	memcpy(h->check.what, kept->check.what, sizeof(h->check.what));
	return NULL;
}

const char *healthchecks_put(struct healthchecks *t, const struct healthcheck *h)
{
	struct healthcheck **link = find(t, h->container), *kept = *link;

	if (!kept && t->count == HEALTHCHECKS_MAX)
		return "There are 128 checks already, and no more are kept; labels autoheal.check have no such limit";
	if (!kept && !(kept = calloc(1, sizeof(*kept))))
		return "There is not enough memory for it";
	if (!*link) {
		*link = kept;
		t->count++;
	}
	kept->check = h->check;
	memcpy(kept->container, h->container, sizeof(kept->container));
	return NULL;
}

bool healthchecks_drop(struct healthchecks *t, const char *container)
{
	struct healthcheck **link = find(t, container), *old = *link;

	if (!old)
		return false;
	*link = old->next;
	t->count--;
	free(old);
	return true;
}

void healthchecks_free(struct healthchecks *t)
{
	while (t->first)
		healthchecks_drop(t, t->first->container);
}

bool healthchecks_have_exec(const struct healthchecks *t)
{
	const struct healthcheck *h = t->first;

	while (h && h->check.kind != CHECK_EXEC)
		h = h->next;
	return h != NULL;
}

void healthchecks_print(struct json_writer *w, const struct healthchecks *t, bool plain)
{
	json_open(w, '[');
	for (const struct healthcheck *h = t->first; h; h = h->next) {
		healthcheck_print(w, h, plain);
		json_close(w, '}');
	}
	json_close(w, ']');
}

const char *healthchecks_read(struct healthchecks *t, const struct json *j, int token, bool strict,
    const struct healthchecks *kept, const char **member)
{
	struct healthcheck one;
	int key = -1, element = -1;

	while (json_is_object(j, token) ? json_next_member(j, token, &key, &element)
					: json_next_element(j, token, &element)) {
		const char *wrong = healthcheck_read(j, element, &one, member);

		if (!wrong && kept)
			wrong = healthchecks_unmask(kept, &one, member);
		if (!wrong)
			wrong = healthchecks_put(t, &one);
		if (wrong && strict)
			return wrong;
	}
	return NULL;
}

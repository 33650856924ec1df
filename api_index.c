/* api_index.c - GET /api, of api.h: the table of calls as OpenAPI 3.1. */
#include <string.h>

#include "api.h"

#define INDEX_MAX (256 * 1024) /* bytes; each call takes some 700 */
#define STATUSES "200 202 400 401 403 404 409 411 413 415 422 503"
#define OF_A_BODY "400 413 415 422" /* what may be wrong with one */

/* ---- what a call takes --------------------------------------------------------------------- */

struct taken {
	bool query, needed;
	char mark; /* of its type, 0 of a text */
	char name[40];
	struct span words;
};

/* The next line of its API_TEXT_TAKES. */
static bool next_taken(struct span *lines, struct taken *t)
{
	struct span line, name;

	*t = (struct taken){0};
	if (!span_next(lines, '\n', &line) || !span_next(&line, ' ', &name))
		return false;
	t->words = line;
	t->query = name.p[0] == '?';
	name.p += t->query;
	name.n -= t->query;
	t->needed = name.p[name.n - 1] == '*';
	name.n -= t->needed;
	if (strchr("#!@%&~", name.p[name.n - 1]))
		t->mark = name.p[--name.n];
	span_copy(name, t->name, sizeof(t->name));
	return true;
}

static const char *type_of(char mark)
{
	switch (mark) {
	case '#':
		return "\"integer\"";
	case '!':
		return "\"boolean\"";
	case '%':
		return "\"object\"";
	case '@':
		return "\"array\",\"items\":{\"type\":\"string\"}";
	case '&':
		return "\"array\",\"items\":{\"type\":\"object\"}";
	case '~':
		return "[\"string\",\"number\"]";
	default:
		return "\"string\"";
	}
}

static void key_raw(struct json_writer *w, const char *key, const char *json)
{
	json_key(w, key);
	json_raw_value(w, span_of(json));
}

enum part { PARAMETERS, PROPERTIES, NEEDED };

/* Prints a part of what the call takes; without w only says whether there is any. */
static bool print_taken(struct json_writer *w, const struct api_route *route, enum part part)
{
	struct span lines = span_of(text_nth(route->texts, API_TEXT_TAKES));
	struct taken t;
	bool any = false;

	while (next_taken(&lines, &t)) {
		if (t.query != (part == PARAMETERS) || (part == NEEDED && !t.needed))
			continue;
		any = true;
		if (!w)
			continue;
		if (part == NEEDED) {
			json_cstring(w, t.name);
			continue;
		}
		if (part == PROPERTIES)
			json_key(w, t.name);
		else if (t.words.n)
			json_print(
			    w, "{ name %s in %s required %d schema", t.name, "query", t.needed);
		if (!t.words.n) { /* the one that is the same everywhere */
			json_print(w, "{ $ref %s }", "#/components/parameters/host");
			continue;
		}
		json_open(w, '{');
		key_raw(w, "type", type_of(t.mark));
		json_print(w, part == PROPERTIES ? "description %.*s }" : "description %.*s } }",
		    JSON_SPAN(t.words));
	}
	return any;
}

/* ---- what it answers ----------------------------------------------------------------------- */

/* Whether it cannot be called without the token as things are set. */
static bool needs_token(const struct api *api, const struct api_route *route)
{
	return route->need == API_NEED_TOKEN ||
	    (route->need == API_NEED_WRITE && !api->settings->writes_open) ||
	    (route->need && api->settings->reads == READ_TOKEN);
}

static void print_responses(struct json_writer *w, const struct api_route *route, bool token)
{
	static const char media[4][20] = {"application/json", "application/json", "text/plain",
	    "text/event-stream"},
			  types[4][8] = {"object", "array", "string", "string"};
	struct span all = span_of(STATUSES), own = span_of(text_nth(route->texts, API_TEXT_STATUSES));
	bool body = print_taken(NULL, route, PROPERTIES);
	struct span status;

	json_print(w, "responses {");
	while (span_next(&all, ' ', &status)) {
		char text[4], good[8];
		uint64_t number;

		span_copy(status, text, sizeof(text));
		text_print(good, sizeof(good), "%s+", text);
		if (!span_find(own, text) && !(body && span_find(span_of(OF_A_BODY), text)) &&
		    !(token && span_find(span_of("401 403"), text)) &&
		    !(!strcmp(text, "400") && print_taken(NULL, route, PARAMETERS)))
			continue;
		json_key(w, text);
		if (text_number(status, 999, &number) && (number < 400 || span_find(own, good))) {
			json_print(w, "{ description %s content {", http_reason((int)number));
			json_key(w, media[route->gives]);
			json_print(w, "{ schema { type %s } } } }", types[route->gives]);
		} else {
			json_print(w, "{ $ref %s }", "#/components/responses/error");
		}
	}
	json_print(w, "default { $ref %s } }", "#/components/responses/error");
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* "get_api_containers_name_explain" */
static void print_id(struct json_writer *w, const char *call)
{
	char id[128];
	size_t n = 0;

	for (; *call && n < sizeof(id) - 8; call++) {
		if (*call == '*') {
			n += span_copy(span_of("name"), id + n, 8);
		} else if (*call != ' ') {
			bool letter = (*call | 0x20) >= 'a' && (*call | 0x20) <= 'z';

			id[n++] = letter ? (char)(*call | 0x20) : '_';
		}
	}
	json_print(w, "operationId %.*s", (int)n, id);
}

static void print_call(struct json_writer *w, const struct api *api, const struct api_route *route)
{
	static const char needs[4][8] = {"nothing", "read", "write", "token"};
	bool token = needs_token(api, route);

	json_open(w, '{');
	print_id(w, route->texts);
	json_print(w, "summary %s x-needs %s parameters [",
	    text_nth(route->texts, API_TEXT_SUMMARY), needs[route->need]);
	if (strchr(route->texts, '*'))
		json_print(w, "{ name %s in %s required %d schema { type %s } }", "name", "path",
		    true, "string");
	print_taken(w, route, PARAMETERS);
	json_close(w, ']');
	key_raw(w, "security",
	    token             ? "[{\"bearer\":[]}]"
		: route->need ? "[{},{\"bearer\":[]}]"
			      : "[]");
	if (print_taken(NULL, route, PROPERTIES)) {
		bool needed = print_taken(NULL, route, NEEDED) ||
		    span_find(span_of(text_nth(route->texts, API_TEXT_STATUSES)), "411");

		json_print(w,
		    "requestBody { required %d content { application/json { schema { type %s "
		    "properties {",
		    needed, "object");
		print_taken(w, route, PROPERTIES);
		json_print(w, "} required [");
		print_taken(w, route, NEEDED);
		json_print(w, "] } } } }");
	}
	print_responses(w, route, token);
	json_close(w, '}');
}

/* All calls of the path that the one at `first` has; nothing where an earlier one has it. */
static void print_path(struct json_writer *w, const struct api *api, size_t first)
{
	const char *path = strchr(api_routes[first].texts, ' ') + 1, *star = strchr(path, '*');
	char name[128];

	for (size_t i = 0; i < first; i++)
		if (!strcmp(strchr(api_routes[i].texts, ' ') + 1, path))
			return;
	if (star)
		text_print(name, sizeof(name), "%.*s{name}%s", (int)(star - path), path, star + 1);
	json_key(w, star ? name : path);
	json_open(w, '{');
	for (size_t i = first; i < api_routes_count; i++) {
		const char *blank = strchr(api_routes[i].texts, ' ');
		char method[8];
		size_t n = 0;

		if (strcmp(blank + 1, path))
			continue;
		for (const char *p = api_routes[i].texts; p < blank; p++)
			method[n++] = (char)(*p | 0x20);
		method[n] = 0;
		json_key(w, method);
		print_call(w, api, &api_routes[i]);
	}
	json_close(w, '}');
}

void api_index(struct api *api, struct server_client *c, struct server_request *r)
{
	struct json_writer w;
	struct buf body;

	(void)r;
	buf_init(&body, INDEX_MAX);
	json_start(&w, &body);
	/* an address that is none of its own: the folder of /api, wherever a proxy shows it */
	json_print(&w, "{ openapi %s info { title %s version %s } servers [ { url %s } ] paths {",
	    "3.1.0", "autoheal", AUTOHEAL_VERSION, ".");
	for (size_t i = 0; i < api_routes_count; i++)
		print_path(&w, api, i);
	json_close(&w, '}');
	key_raw(&w, "components",
	    "{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
	    "\"parameters\":{\"host\":{\"name\":\"host\",\"in\":\"query\",\"schema\":{\"type\":\"string\","
	    "\"description\":\"Only of the engine of this name\"}}},"
	    "\"responses\":{\"error\":{\"description\":\"A sentence says why not\",\"content\":"
	    "{\"application/json\":{\"schema\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":"
	    "{\"error\":{\"type\":\"string\"},\"member\":{\"type\":\"string\"}}}}}}}}");
	json_close(&w, '}');
	api_answer(c, 200, &body);
}

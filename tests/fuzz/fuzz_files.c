/* fuzz_files.c - what is read back from AUTOHEAL_DATA_DIR: elements of state.json, config.json, lines of events.jsonl, one in
 * each part of the input. Whatever was read is written again as JSON, and read again to the same. */
#include "fuzz.h"
#include "config_json.h"
#include "memory.h"

static jsmntok_t tokens[JSON_TOKENS_MAX];

static void ignore(const char *sentence)
{
	(void)sentence;
}

static void read_state(struct policy *p, const struct memory_clock *at, const struct json *j)
{
	static struct policy fresh;
	struct memory_head head = {0};
	char host[MEMORY_HOST_MAX] = "";
	struct identity *identity = memory_read(p, at, j, &head, host);
	struct buf once, again;
	struct json second;

	buf_init(&once, 1 << 16);
	buf_init(&again, 1 << 16);
	if (identity) {
		PROMISE(strlen(host) < sizeof(host));
		memory_print_identity(&once, p, at, identity, host);
		fuzz_is_json(&once);
		PROMISE(!json_parse(&second, (struct span){once.p, once.n}, tokens, JSON_TOKENS_MAX));
		memset(&fresh, 0, sizeof(fresh));
		policy_init(&fresh, p->settings, at->now, 42, 1);
		identity = memory_read(&fresh, at, &second, &head, host);
		PROMISE(identity);
		memory_print_identity(&again, &fresh, at, identity, host);
		policy_free(&fresh);
		PROMISE(once.n == again.n && !memcmp(once.p, again.p, once.n));
	} else {
		memory_print_head(&once, &head);
		fuzz_is_json(&once);
	}
	buf_free(&once);
	buf_free(&again);
}

static void read_event(const struct json *j)
{
	static struct memory_event event, second;
	struct json_writer w;
	struct buf out;
	struct json again;

	if (!memory_read_event(j, &event))
		return;
	buf_init(&out, 1 << 16);
	json_start(&w, &out);
	audit_print(&w, &event.event);
	fuzz_is_json(&out);
	PROMISE(!json_parse(&again, (struct span){out.p, out.n}, tokens, JSON_TOKENS_MAX));
	PROMISE(memory_read_event(&again, &second));
	PROMISE(second.event.kind == event.event.kind && second.event.seq == event.event.seq);
	buf_free(&out);
}

/* Over the settings of now, as config.json, as a body and as an import; what holds then prints as JSON. */
static void change(struct config *config, const struct json *j, enum config_source source)
{
	static struct config_draft draft;
	char names[CONFIG_NAMES_MAX];
	bool well = config_draft(&draft, config, source, j, "", ignore);

	PROMISE(well == !draft.status && (well || draft.error[0]));
	if (well)
		config_commit(config, &draft, names);
	config_drop(&draft);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy policy;
	struct healthchecks checks = {0};
	struct span rest = fuzz_span(data, size), part;
	struct memory_clock at = {.now = 1ull << 40, .wall = 1700000000000};
	static struct config config;
	struct json_writer w;
	char error[256];
	struct buf out;

	memset(&policy, 0, sizeof(policy));
	PROMISE(!config_init(&config, (char *[]){NULL}, error, sizeof(error), ignore));
	policy_init(&policy, &config.now, at.now, 42, 1);
	while (rest.n) {
		struct json j;
		char *copy;

		part = fuzz_part(&rest);
		copy = fuzz_copy(part, false);
		memory_is_own((struct span){copy, part.n});
		if (!json_parse(&j, (struct span){copy, part.n}, tokens, JSON_TOKENS_MAX)) {
			memory_read_config(&policy.containers, &checks, &j);
			for (int source = CONFIG_STORED; source <= CONFIG_IMPORT; source++)
				change(&config, &j, (enum config_source)source);
			read_event(&j);
			if (!json_parse(&j, (struct span){copy, part.n}, tokens, JSON_TOKENS_MAX))
				read_state(&policy, &at, &j);
		}
		free(copy);
	}
	buf_init(&out, 1 << 20);
	json_start(&w, &out);
	json_open(&w, '{');
	config_print_changed(&w, &config.kept);
	memory_print_config(&w, &policy.containers, &checks);
	json_close(&w, '}');
	healthchecks_free(&checks);
	fuzz_is_json(&out);
	buf_free(&out);
	buf_init(&out, 1 << 20);
	config_print(&config.now, &out, span_of("{}"), span_of("[]"));
	fuzz_is_json(&out);
	buf_free(&out);
	config_free(&config);
	policy_free(&policy);
	return 0;
}

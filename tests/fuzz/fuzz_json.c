/* fuzz_json.c - the splitter, the look-ups and the strict check. The first byte says which mode, and how it is cut. What the
 * splitter hands out is the same in any cuts, what is strictly JSON is tokenized, and what the writer writes is JSON. */
#include "fuzz.h"

static jsmntok_t tokens[JSON_TOKENS_MAX];

static void look(struct span value)
{
	char text[64];
	struct json j;
	int key = -1, member, element = -1;
	size_t at = 0;
	bool strict = json_valid(value, &at);

	PROMISE(strict || at <= value.n);
	if (json_parse(&j, value, tokens, JSON_TOKENS_MAX)) {
		PROMISE(!strict || value.n > JSON_TOKENS_MAX);
		return;
	}
	PROMISE(j.count > 0);
	while (json_next_member(&j, 0, &key, &member)) {
		PROMISE(key > 0 && member > key && member < j.count);
		PROMISE(json_text(&j, key, text, sizeof(text)) < sizeof(text));
		json_raw(&j, member);
		json_int(&j, member, 1);
		json_bool(&j, member, true);
		json_is(&j, member, "running");
	}
	while (json_next_element(&j, 0, &element))
		PROMISE(json_text(&j, element, text, sizeof(text)) < sizeof(text));
	json_text(&j, json_get(&j, 0, "Actor.Attributes.name"), text, sizeof(text));
	PROMISE(strlen(text) < sizeof(text));
}

/* Everything it hands out, with a line end behind each. */
static void split(enum json_split_mode mode, struct span in, size_t piece, struct buf *out, bool *bad)
{
	struct json_splitter s;
	struct span value;

	json_split_init(&s, mode);
	while (in.n && !s.bad) {
		size_t n = in.n < piece ? in.n : piece;
		char *copy = fuzz_copy((struct span){in.p, n}, false);
		const char *p = copy;
		size_t left = n;
		int got;

		while ((got = json_split(&s, &p, &left, &value)) > 0) {
			buf_add_span(out, value);
			buf_add_text(out, "\n");
			if (piece == SIZE_MAX)
				look(value);
		}
		PROMISE((got < 0) == s.bad && (got < 0 || !left));
		in.p += n;
		in.n -= n;
		free(copy);
	}
	json_split_complete(&s);
	*bad = s.bad;
	json_split_reset(&s);
	json_split_free(&s);
}

static void write_and_check(struct span s)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 1 << 20);
	json_start(&w, &out);
	json_print(&w, "{ a %.*s b [", JSON_SPAN(s));
	json_string(&w, s);
	json_time(&w, (int64_t)s.n * 100000000);
	json_print(&w, "] }");
	fuzz_is_json(&out);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	uint8_t how = fuzz_byte(&rest);
	enum json_split_mode mode = how & 1 ? JSON_ARRAY : JSON_STREAM;
	bool bad[2];
	struct buf whole, cut;

	buf_init(&whole, 4 << 20);
	buf_init(&cut, 4 << 20);
	split(mode, rest, SIZE_MAX, &whole, &bad[0]);
	split(mode, rest, 1 + how / 2 % 32, &cut, &bad[1]);
	PROMISE(
	    bad[0] == bad[1] && whole.n == cut.n && (!whole.n || !memcmp(whole.p, cut.p, whole.n)));
	buf_free(&whole);
	buf_free(&cut);
	look(rest);
	write_and_check(rest);
	return 0;
}

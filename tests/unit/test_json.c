/* test_json.c - what json.h promises: the splitter at every cut, jsmn's tokens made safe, the
 * strict check and the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "json.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- helpers --------------------------------------------------------------------------------- */

/* A copy of exactly n bytes on the heap, so that the sanitizer sees a read beyond them. */
static char *exactly(const char *p, size_t n)
{
	char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, p, n);
	return copy;
}

/* Feeds one piece; writes each value and a '|' to out. */
static int feed(struct json_splitter *s, const char *p, size_t n, struct buf *out)
{
	char *piece = exactly(p, n);
	const char *at = piece;
	struct span value;
	int got;

	while ((got = json_split(s, &at, &n, &value)) == 1) {
		buf_add_span(out, value);
		buf_add_text(out, "|");
	}
	if (got == 0)
		assert_int_equal(n, 0);
	free(piece);
	return got;
}

/* The values of text handed in as pieces that begin at the cuts. "!" at the end: bad; "..." : not
 * complete. */
static void split_at(enum json_split_mode mode, struct span text, size_t cut1, size_t cut2,
    struct buf *out, uint64_t *skipped)
{
	struct json_splitter s;

	json_split_init(&s, mode);
	out->n = 0;
	if (feed(&s, text.p, cut1, out) == 0 && feed(&s, text.p + cut1, cut2 - cut1, out) == 0)
		feed(&s, text.p + cut2, text.n - cut2, out);
	if (s.bad)
		buf_add_text(out, "!");
	else if (!json_split_complete(&s))
		buf_add_text(out, "...");
	*skipped = s.skipped;
	json_split_free(&s);
}

static void split_bytewise(enum json_split_mode mode, struct span text, struct buf *out)
{
	struct json_splitter s;
	int got = 0;

	json_split_init(&s, mode);
	out->n = 0;
	for (size_t i = 0; i < text.n && got == 0; i++)
		got = feed(&s, text.p + i, 1, out);
	if (s.bad)
		buf_add_text(out, "!");
	else if (!json_split_complete(&s))
		buf_add_text(out, "...");
	json_split_free(&s);
}

static void assert_buf(const struct buf *out, const char *expected)
{
	assert_false(out->failed);
	if (out->n != strlen(expected) || (out->n && memcmp(out->p, expected, out->n)))
		fail_msg("got %.*s, expected %s", (int)out->n, out->p ? out->p : "", expected);
}

static jsmntok_t tokens[JSON_TOKENS_MAX];

static int parse(struct json *j, const char *text)
{
	return json_parse(j, span_of(text), tokens, JSON_TOKENS_MAX);
}

/* n times the piece, then the end; the caller frees it. */
static char *repeat(const char *piece, size_t n, const char *end)
{
	size_t size = strlen(piece);
	char *text = malloc(n * size + strlen(end) + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * size, piece, size);
	strcpy(text + n * size, end);
	return text;
}

/* depth times [ and as many ] */
static char *nested(size_t depth)
{
	char *text = malloc(2 * depth + 1);

	assert_non_null(text);
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = 0;
	return text;
}

/* ---- splitter -------------------------------------------------------------------------------- */

static const struct {
	const char *text, *values;
	enum json_split_mode mode;
} splits[] = {
    {"", "", JSON_STREAM},
    {" \r\n\t", "", JSON_STREAM},
    {"{}", "{}|", JSON_STREAM},
    {"{\"a\":[1,{\"b\":2}]}\n{\"c\":3}\n", "{\"a\":[1,{\"b\":2}]}|{\"c\":3}|", JSON_STREAM},
    {"{}{}[] []", "{}|{}|[]|[]|", JSON_STREAM},
    {"\x1E{}\n\x1E{}\n", "{}|{}|", JSON_STREAM},
    {"1 true\nnull \"a\" -2.5e+3 ", "1|true|null|\"a\"|-2.5e+3|", JSON_STREAM},
    {"12", "...", JSON_STREAM},
    {"\"a b\"\"c\"1\"d\"", "\"a b\"|\"c\"|1|\"d\"|", JSON_STREAM},
    {"{\"a\":\"}]{[\"} ", "{\"a\":\"}]{[\"}|", JSON_STREAM},
    {"{\"a\\\"}\":\"\\\\\"}", "{\"a\\\"}\":\"\\\\\"}|", JSON_STREAM},
    {"\"\\\\\\\\\\\"x\" \"\\\\\"", "\"\\\\\\\\\\\"x\"|\"\\\\\"|", JSON_STREAM},
    {"{\"quite a long one, eight bytes a step\":\"and \\\"more\\\" of it\"}",
	"{\"quite a long one, eight bytes a step\":\"and \\\"more\\\" of it\"}|", JSON_STREAM},
    {"{\"\xC3\xA9\":\"\xA2\xDC\"}", "{\"\xC3\xA9\":\"\xA2\xDC\"}|", JSON_STREAM},
    {"{\"a\":1", "...", JSON_STREAM},
    {"{\"a", "...", JSON_STREAM},
    {"{} \"a\\", "{}|...", JSON_STREAM},
    /* the inside is not the splitter's business */
    {"{a b} [,,]", "{a b}|[,,]|", JSON_STREAM},
    /* what cannot be JSON */
    {"{]", "!", JSON_STREAM},
    {"[}", "!", JSON_STREAM},
    {"{} {\"a\":[1}]", "{}|!", JSON_STREAM},
    {"}", "!", JSON_STREAM},
    {"{},{}", "{}|!", JSON_STREAM},
    {"{} HTTP/1.1", "{}|!", JSON_STREAM},
    {"nullx ", "null|!", JSON_STREAM},
    {"+1", "!", JSON_STREAM},
    /* a list */
    {"[]", "", JSON_ARRAY},
    {" [ ] \n", "", JSON_ARRAY},
    {"[{},{\"a\":[1,2]} , 3,\"x,]\",[4],null]\n", "{}|{\"a\":[1,2]}|3|\"x,]\"|[4]|null|", JSON_ARRAY},
    {"[1]", "1|", JSON_ARRAY},
    {"[[[]],[]]", "[[]]|[]|", JSON_ARRAY},
    {"", "...", JSON_ARRAY},
    {"[", "...", JSON_ARRAY},
    {"[{}", "{}|...", JSON_ARRAY},
    {"[{},", "{}|...", JSON_ARRAY},
    {"[{},]", "{}|!", JSON_ARRAY},
    {"[,{}]", "!", JSON_ARRAY},
    {"[{}{}]", "{}|!", JSON_ARRAY},
    {"[1 2]", "1|!", JSON_ARRAY},
    {"[{},,{}]", "{}|!", JSON_ARRAY},
    {"[}", "!", JSON_ARRAY},
    {"[{}] {}", "{}|!", JSON_ARRAY},
    {"[\x1E{}]", "!", JSON_ARRAY},
    /* no list: an error object, as it is */
    {"{\"message\":\"no\"}\n", "{\"message\":\"no\"}|", JSON_ARRAY},
    {"null\n", "null|", JSON_ARRAY},
};

static void test_any_cut_gives_the_same_values(void **state)
{
	struct buf out;
	uint64_t skipped;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(splits); i++) {
		struct span text = span_of(splits[i].text);

		for (size_t a = 0; a <= text.n; a++) {
			for (size_t b = a; b <= text.n; b++) {
				split_at(splits[i].mode, text, a, b, &out, &skipped);
				assert_buf(&out, splits[i].values);
				assert_int_equal(skipped, 0);
			}
		}
		split_bytewise(splits[i].mode, text, &out);
		assert_buf(&out, splits[i].values);
	}
	buf_free(&out);
}

static void test_a_whole_value_is_not_copied(void **state)
{
	const char *text = "{\"a\":1}\n{\"b\"", *p = text;
	size_t n = strlen(text);
	struct json_splitter s;
	struct span value;

	(void)state;
	json_split_init(&s, JSON_STREAM);
	assert_int_equal(json_split(&s, &p, &n, &value), 1);
	assert_ptr_equal(value.p, text);
	assert_int_equal(value.n, 7);
	assert_null(s.partial.p);
	assert_int_equal(json_split(&s, &p, &n, &value), 0);
	assert_int_equal(s.partial.n, 4);
	json_split_free(&s);
}

static void test_a_value_stays_until_the_next_call(void **state)
{
	const char *one = "{\"a\"", *two = ":1}{\"b", *three = "\":2}";
	size_t n1 = strlen(one), n2 = strlen(two), n3 = strlen(three);
	struct json_splitter s;
	struct span value;

	(void)state;
	json_split_init(&s, JSON_STREAM);
	assert_int_equal(json_split(&s, &one, &n1, &value), 0);
	assert_int_equal(json_split(&s, &two, &n2, &value), 1);
	assert_true(span_is(value, "{\"a\":1}"));
	assert_int_equal(json_split(&s, &two, &n2, &value), 0);
	assert_int_equal(json_split(&s, &three, &n3, &value), 1);
	assert_true(span_is(value, "{\"b\":2}"));
	json_split_free(&s);
}

/* A list of a small value, one of `size` bytes and a small one. */
static char *with_string(size_t size)
{
	char *fill = repeat("x", size - 2, ""), *text = malloc(size + 32);

	assert_non_null(text);
	strcpy(text, "[{\"a\":1},\"");
	strcat(text, fill);
	strcat(text, "\",{\"b\":2}]");
	free(fill);
	return text;
}

static void test_a_too_large_value_is_skipped_and_counted(void **state)
{
	static const size_t cuts[] = {0, 1, 9, 10, 11, 5000, JSON_VALUE_MAX, JSON_VALUE_MAX + 8,
	    JSON_VALUE_MAX + 9, JSON_VALUE_MAX + 10, JSON_VALUE_MAX + 11, JSON_VALUE_MAX + 12};
	struct buf out;
	uint64_t skipped;

	(void)state;
	buf_init(&out, 2 * JSON_VALUE_MAX);
	for (size_t over = 0; over < 2; over++) {
		char *text = with_string(JSON_VALUE_MAX + over);

		for (size_t i = 0; i < COUNT(cuts); i++) {
			for (size_t k = i; k < COUNT(cuts); k++) {
				split_at(JSON_ARRAY, span_of(text), cuts[i], cuts[k], &out, &skipped);
				assert_int_equal(skipped, over);
				assert_int_equal(out.n, over ? 16 : 16 + JSON_VALUE_MAX + 1);
				assert_memory_equal(out.p, "{\"a\":1}|", 8);
				assert_memory_equal(out.p + out.n - 8, "{\"b\":2}|", 8);
			}
		}
		free(text);
	}
	buf_free(&out);
}

static void test_an_endless_value_takes_no_more_than_the_limit(void **state)
{
	char *piece = repeat("[{\"a\":", 1000, "");
	struct json_splitter s;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	json_split_init(&s, JSON_STREAM);
	assert_int_equal(feed(&s, "{\"a\":", 5, &out), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(feed(&s, "\"0123456789\",", 13, &out), 0);
		assert_true(s.partial.cap <= JSON_VALUE_MAX);
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(feed(&s, piece, strlen(piece), &out), 0);
	assert_int_equal(s.skipped, 1);
	assert_null(s.partial.p);
	assert_false(json_split_complete(&s));
	assert_int_equal(out.n, 0);
	json_split_free(&s);
	free(piece);
}

static void test_a_too_deep_value_is_skipped_and_counted(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 2; depth++) {
		char *deep = nested(depth);
		struct json_splitter s;

		json_split_init(&s, JSON_STREAM);
		out.n = 0;
		for (size_t i = 0; deep[i]; i++)
			assert_int_equal(feed(&s, deep + i, 1, &out), 0);
		assert_int_equal(feed(&s, "{}", 2, &out), 0);
		assert_int_equal(s.skipped, depth > JSON_DEPTH_MAX);
		assert_int_equal(out.n, depth > JSON_DEPTH_MAX ? 3 : 2 * depth + 4);
		assert_true(json_split_complete(&s));
		json_split_free(&s);
		free(deep);
	}
	buf_free(&out);
}

static void test_kinds_of_brackets_are_known_again_after_a_deep_one(void **state)
{
	char *deep = nested(JSON_DEPTH_MAX + 3);
	struct buf out;
	uint64_t skipped;

	(void)state;
	buf_init(&out, 100);
	deep[2 * (JSON_DEPTH_MAX + 3) - 2] = '}';
	split_at(JSON_STREAM, span_of(deep), 0, 0, &out, &skipped);
	assert_buf(&out, "!");
	free(deep);
	buf_free(&out);
}

static void test_nothing_comes_after_bad_bytes_until_reset(void **state)
{
	const char *text = "[} {}", *p = text, *good = "{} ";
	size_t n = strlen(text), m = 3;
	struct json_splitter s;
	struct span value;

	(void)state;
	json_split_init(&s, JSON_STREAM);
	assert_int_equal(json_split(&s, &p, &n, &value), -1);
	assert_true(s.bad);
	assert_int_equal(json_split(&s, &p, &n, &value), -1);
	assert_int_equal(json_split(&s, &good, &m, &value), -1);
	assert_false(json_split_complete(&s));
	json_split_reset(&s);
	assert_int_equal(json_split(&s, &good, &m, &value), 1);
	json_split_free(&s);
}

static void test_reset_forgets_the_half_read_but_not_the_count(void **state)
{
	char *large = repeat("x", 9000, "");
	struct json_splitter s;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	json_split_init(&s, JSON_ARRAY);
	s.skipped = 7;
	assert_int_equal(feed(&s, "[{\"a\":\"", 7, &out), 0);
	assert_int_equal(feed(&s, large, 9000, &out), 0);
	assert_true(s.partial.cap > 4096);
	json_split_reset(&s);
	assert_true(s.partial.cap <= 4096);
	assert_int_equal(s.skipped, 7);
	assert_int_equal(feed(&s, "[{\"b\":1}]", 9, &out), 0);
	assert_buf(&out, "{\"b\":1}|");
	assert_true(json_split_complete(&s));
	json_split_free(&s);
	buf_free(&out);
	free(large);
}

static void test_memory_of_a_large_value_is_given_back(void **state)
{
	char *large = repeat("x", 9000, "");
	struct json_splitter s;
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	json_split_init(&s, JSON_STREAM);
	assert_int_equal(feed(&s, "\"", 1, &out), 0);
	assert_int_equal(feed(&s, large, 9000, &out), 0);
	assert_int_equal(feed(&s, "\"", 1, &out), 0);
	assert_int_equal(out.n, 9003);
	assert_true(s.partial.cap <= 4096);
	json_split_free(&s);
	buf_free(&out);
	free(large);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void test_parse_takes_values_of_every_kind(void **state)
{
	static const char *const good[] = {"{}", "[]", "\"\"", "\"a\"", "0", "-1.5e3", "true",
	    "false", "null",
	    " {\"a\" : [ 1 , \"b\" , { } , [ ] , null ] , \"c\" : { \"d\" : -0 } } \n",
	    "[[[1]],[2]]", "{\"a\":{\"b\":{\"c\":{}}},\"d\":[]}", "{\"\":\"\"}"};
	struct json j;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		char *text = exactly(good[i], strlen(good[i]));

		if (json_parse(&j, (struct span){text, strlen(good[i])}, tokens, JSON_TOKENS_MAX))
			fail_msg("%s refused", good[i]);
		free(text);
	}
}

static void test_parse_refuses_what_jsmn_lets_pass(void **state)
{
	static const char *const bad[] = {"", " ", "{", "}", "[", "]", "\"", "{\"a\"}", "{\"a\":}",
	    "{\"a\":1 2}", "{\"a\":1 \"b\":2}", "{\"a\" \"b\"}", "{\"a\" 1}", "{1:2}", "{null:1}",
	    "{{}:1}", "{[]:1}", "{\"a\",\"b\"}", "{\"a\":\"b\":\"c\"}", "{\"a\":1:2}",
	    "{\"a\":{}:1}", "{\"a\":[]:1}", "{\"a\":[1]:2}", "[\"a\":1]", "[1:2]", "[[]:1]",
	    "[{}:[1]]", "[[1]:2]", "{}{}", "[] []", "{}}", "[]]", "{]", "[}", "{}:}", ":{}", ",{}",
	    "{} 1", "1 2", "1,", "\"a\":1", "\"a\" \"b\"", "tru", "truex", "trueish", "nulL",
	    "[tru]", "[truex]", "[nan]", "[-]", "[1.]", "[.5]", "[01]", "[1e]", "[+1]", "[0x1]",
	    "01", "-", "1e+", "[1,\"a\":2]", "{\"a\":\"\\x\"}", "[\"\\u12G4\"]", "[\"\\u12\"]",
	    "[\"a]", "xyz", "\xEF\xBB\xBF{}", "{\"a\":[1,{\"b\":2},3}"};
	struct json j;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!parse(&j, bad[i]))
			fail_msg("%s taken", bad[i]);
		assert_int_equal(j.count, 0);
		assert_int_equal(json_get(&j, 0, "a"), -1);
	}
	assert_int_equal(json_parse(&j, (struct span){"{}\0{}", 5}, tokens, 100), -1);
	assert_int_equal(json_parse(&j, (struct span){"[\"a\0\"]", 6}, tokens, 100), -1);
	assert_int_equal(json_parse(&j, (struct span){NULL, 0}, tokens, 100), -1);
}

static void test_parse_has_limits(void **state)
{
	struct json j;

	(void)state;
	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		char *text = nested(depth);

		assert_int_equal(parse(&j, text), depth > JSON_DEPTH_MAX ? -1 : 0);
		free(text);
	}
	assert_int_equal(json_parse(&j, span_of("[1,2]"), tokens, 3), 0);
	assert_int_equal(json_parse(&j, span_of("[1,2]"), tokens, 2), -1);
	assert_int_equal(json_parse(&j, span_of("1"), tokens, 0), -1);
}

static const char event[] =
    "{\"Type\":\"container\",\"Action\":\"health_status: unhealthy\","
    "\"Actor\":{\"ID\":\"4386fb97\",\"Attributes\":{\"com.docker.compose.project\":"
    "\"shop\",\"name\":\"shop-web-1\",\"na\\u006De2\":\"x\"}},\"list\":[1,[2,3],"
    "{\"name\":4},\"five\"],\"time\":1761827723,\"ok\":true,\"no\":false,\"nil\":null}";

static void test_members_are_found_at_their_level_only(void **state)
{
	struct json j;
	int attributes;

	(void)state;
	assert_int_equal(parse(&j, event), 0);
	assert_true(json_is(&j, json_get(&j, 0, "Type"), "container"));
	assert_true(json_is(&j, json_get(&j, 0, "Actor.ID"), "4386fb97"));
	assert_true(json_is(&j, json_get(&j, 0, "Actor.Attributes.name"), "shop-web-1"));
	assert_int_equal(json_int(&j, json_get(&j, 0, "time"), 0), 1761827723);
	attributes = json_get(&j, 0, "Actor.Attributes");
	assert_true(
	    json_is(&j, json_member(&j, attributes, span_of("com.docker.compose.project")), "shop"));
	assert_true(json_is(&j, json_member(&j, attributes, span_of("name2")), "x"));

	assert_int_equal(json_get(&j, 0, "name"), -1);
	assert_int_equal(json_get(&j, 0, "ID"), -1);
	assert_int_equal(json_get(&j, 0, "Actor.ID.x"), -1);
	assert_int_equal(json_get(&j, 0, "Actor."), -1);
	assert_int_equal(json_get(&j, 0, ""), -1);
	assert_int_equal(json_get(&j, 0, "list.name"), -1);
	assert_int_equal(json_get(&j, 0, "Typ"), -1);
	assert_int_equal(json_get(&j, 0, "Type2"), -1);
	assert_int_equal(json_get(&j, 0, "container"), -1);
	assert_int_equal(json_member(&j, attributes, span_of("name\\u0032")), -1);
}

static void test_the_first_of_two_equal_names_counts(void **state)
{
	struct json j;

	(void)state;
	assert_int_equal(parse(&j, "{\"a\":1,\"a\":2,\"\":3}"), 0);
	assert_int_equal(json_int(&j, json_get(&j, 0, "a"), 0), 1);
	assert_int_equal(json_int(&j, json_get(&j, 0, ""), 0), 3);
}

static void test_walks_see_direct_children_only(void **state)
{
	struct json j;
	struct buf out;
	int key = -1, value, element = -1, list;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(parse(&j, event), 0);
	while (json_next_member(&j, 0, &key, &value)) {
		buf_add_span(&out, json_raw(&j, key));
		buf_add_text(&out, " ");
	}
	assert_buf(&out, "Type Action Actor list time ok no nil ");
	out.n = 0;
	list = json_get(&j, 0, "list");
	while (json_next_element(&j, list, &element)) {
		buf_add_span(&out, json_raw(&j, element));
		buf_add_text(&out, " ");
	}
	assert_buf(&out, "1 [2,3] {\"name\":4} five ");
	buf_free(&out);
}

static void test_walks_of_nothing_end_at_once(void **state)
{
	struct json j;
	int key = -1, value = -1, element = -1;

	(void)state;
	assert_int_equal(parse(&j, "{\"a\":{},\"b\":[],\"c\":1}"), 0);
	assert_false(json_next_member(&j, json_get(&j, 0, "a"), &key, &value));
	assert_false(json_next_element(&j, json_get(&j, 0, "b"), &element));
	assert_false(json_next_member(&j, json_get(&j, 0, "b"), &key, &value));
	assert_false(json_next_element(&j, json_get(&j, 0, "a"), &element));
	assert_false(json_next_element(&j, json_get(&j, 0, "c"), &element));
	assert_false(json_next_element(&j, -1, &element));
	assert_false(json_next_member(&j, 99, &key, &value));
	assert_int_equal(key, -1);
	assert_int_equal(element, -1);
}

static void test_what_is_not_there_answers_so_everywhere(void **state)
{
	static const int nowhere[] = {-1, -5, 1, 1000000, INT32_MAX, INT32_MIN};
	struct json j;
	char out[4];
	int key;

	(void)state;
	assert_int_equal(parse(&j, "{}"), 0);
	for (size_t i = 0; i < COUNT(nowhere); i++) {
		int t = nowhere[i];

		assert_int_equal(json_get(&j, t, "a.b"), -1);
		assert_int_equal(json_member(&j, t, span_of("a")), -1);
		assert_false(json_is_object(&j, t) || json_is_array(&j, t) || json_is_string(&j, t));
		assert_true(json_is_null(&j, t));
		assert_int_equal(json_raw(&j, t).n, 0);
		assert_int_equal(json_text(&j, t, out, sizeof out), 0);
		assert_string_equal(out, "");
		assert_false(json_is(&j, t, ""));
		assert_true(json_bool(&j, t, true));
		assert_int_equal(json_int(&j, t, 42), 42);
		key = t;
		json_next_member(&j, 0, &key, &key);
		key = t;
		json_next_element(&j, 0, &key);
	}
}

static void test_kinds_of_tokens_are_told_apart(void **state)
{
	struct json j;

	(void)state;
	assert_int_equal(parse(&j, event), 0);
	assert_true(json_is_object(&j, 0));
	assert_true(json_is_array(&j, json_get(&j, 0, "list")));
	assert_true(json_is_string(&j, json_get(&j, 0, "Type")));
	assert_true(json_is_null(&j, json_get(&j, 0, "nil")));
	assert_false(json_is_null(&j, json_get(&j, 0, "no")));
	assert_false(json_is_null(&j, json_get(&j, 0, "Type")));
	assert_true(json_bool(&j, json_get(&j, 0, "ok"), false));
	assert_false(json_bool(&j, json_get(&j, 0, "no"), true));
	assert_true(json_bool(&j, json_get(&j, 0, "nil"), true));
	assert_true(json_bool(&j, json_get(&j, 0, "Type"), true));
	assert_false(json_is(&j, json_get(&j, 0, "ok"), "true"));
}

static void test_whole_numbers_only(void **state)
{
	static const struct {
		const char *text;
		int64_t number;
	} numbers[] = {{"0", 0}, {"-0", 0}, {"12", 12}, {"-12", -12},
	    {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
	    {"9223372036854775808", 42}, {"-9223372036854775809", 42},
	    {"99999999999999999999999999", 42}, {"1.0", 42}, {"1e3", 42}, {"\"5\"", 42},
	    {"true", 42}, {"null", 42}, {"[]", 42}};
	struct json j;

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		assert_int_equal(parse(&j, numbers[i].text), 0);
		assert_true(json_int(&j, 0, 42) == numbers[i].number);
	}
}

static void test_escapes_become_text(void **state)
{
	static const struct {
		const char *json, *text;
	} strings[] = {{"\"\"", ""}, {"\"plain\"", "plain"},
	    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
	    {"\"\\u0041\\u00e9\\u00E9\\u20ac\\ufFfF\"", "A\xC3\xA9\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF"},
	    {"\"\\ud83d\\ude00!\"", "\xF0\x9F\x98\x80!"}, {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF"},
	    {"\"\\ud83d\"", "\xEF\xBF\xBD"}, {"\"\\ude00x\"", "\xEF\xBF\xBDx"},
	    {"\"\\ud83d\\u0041\"",
		"\xEF\xBF\xBD"
		"A"},
	    {"\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
	    {"\"\\ud83d\\ue000\"", "\xEF\xBF\xBD\xEE\x80\x80"}, {"\"\\ud83d\\n\"", "\xEF\xBF\xBD\n"},
	    {"\"a\\u0000b\"",
		"a\xEF\xBF\xBD"
		"b"},
	    {"\"\xC3\xA9\\n\"", "\xC3\xA9\n"}, {"\"\xFF\\n\"", "\xFF\n"}};
	struct json j;
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		assert_int_equal(parse(&j, strings[i].json), 0);
		assert_int_equal(json_text(&j, 0, out, sizeof out), strlen(strings[i].text));
		assert_string_equal(out, strings[i].text);
		assert_true(json_is(&j, 0, strings[i].text));
		assert_false(json_is(&j, 0, "other"));
	}
	assert_int_equal(parse(&j, "\"a\\u0062c\""), 0);
	assert_false(json_is(&j, 0, "ab"));
	assert_false(json_is(&j, 0, "abcd"));
}

static void test_text_is_cut_at_whole_characters(void **state)
{
	static const struct {
		const char *json;
		size_t cap;
		const char *text;
	} cuts[] = {{"\"abc\"", 4, "abc"}, {"\"abc\"", 3, "ab"}, {"\"abc\"", 1, ""},
	    {"\"a\xC3\xA9\"", 3, "a"}, {"\"a\xC3\xA9\"", 4, "a\xC3\xA9"}, {"\"a\\u00e9b\"", 3, "a"},
	    {"\"\\ud83d\\ude00\"", 4, ""}, {"\"12\"", 2, "1"}};
	struct json j;

	(void)state;
	for (size_t i = 0; i < COUNT(cuts); i++) {
		char *out = malloc(cuts[i].cap);

		assert_non_null(out);
		assert_int_equal(parse(&j, cuts[i].json), 0);
		assert_int_equal(json_text(&j, 0, out, cuts[i].cap), strlen(cuts[i].text));
		assert_string_equal(out, cuts[i].text);
		free(out);
	}
	assert_int_equal(json_text(&j, 0, NULL, 0), 0);
}

/* Walks all that can be reached, touching every byte. */
static size_t touch(const struct json *j, int token)
{
	char out[8];
	int key = -1, value, element = -1;
	size_t seen = 1 + json_raw(j, token).n % 2 + json_text(j, token, out, sizeof out) % 2;

	while (json_next_member(j, token, &key, &value)) {
		assert_true(json_is_string(j, key));
		seen += touch(j, value);
	}
	while (json_next_element(j, token, &element))
		seen += touch(j, element);
	return seen;
}

/* A small generator, the same in each run. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void test_damaged_values_are_refused_or_safe_to_walk(void **state)
{
	static const char bytes[] = "{}[]:,\"\\ \t01-.eEtfnu\x80\xFF";
	uint32_t seed = 2463534242u;
	struct json j;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t n = sizeof event - 1 - next_random(&seed) % 40 * (round % 3 == 0);
		char *text = exactly(event, n);

		for (uint32_t k = next_random(&seed) % 4; k > 0; k--)
			text[next_random(&seed) % n] = bytes[next_random(&seed) % sizeof bytes];
		if (!json_parse(&j, (struct span){text, n}, tokens, JSON_TOKENS_MAX)) {
			assert_true(touch(&j, 0) > 0);
			json_get(&j, 0, "Actor.Attributes.name");
		}
		free(text);
	}
}

static void test_short_nonsense_is_refused_or_safe_to_walk(void **state)
{
	static const char *const pieces[] = {"{", "}", "[", "]", ":", ",", "\"a\"", "1", "true", " "};
	uint32_t seed = 88172645u;
	struct json j;
	int taken = 0;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		char text[64] = "";
		char *copy;

		for (uint32_t k = 1 + next_random(&seed) % 10; k > 0; k--)
			strcat(text, pieces[next_random(&seed) % COUNT(pieces)]);
		copy = exactly(text, strlen(text));
		if (!json_parse(&j, (struct span){copy, strlen(text)}, tokens, JSON_TOKENS_MAX)) {
			taken++;
			touch(&j, 0);
		}
		free(copy);
	}
	assert_true(taken > 100);
}

/* ---- strict check ---------------------------------------------------------------------------- */

static void test_valid_json_is_valid(void **state)
{
	static const char *const good[] = {"{}", "[]", " [ ] ", "0", "-0", "10", "1.5", "1e5", "1E+5",
	    "-1.25e-07", "true", "false", "null", "\"\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\"",
	    "\"\\ud800\"", "\"\x7F\"", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
	    "{\"a\":1,\"a\":[{},[],{\"b\":null}]}", "\t{ \"a\" : [ 1 , 2 ] , \"b\" : { } }\r\n"};
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		size_t n = strlen(good[i]);
		char *text = exactly(good[i], n);

		if (!json_valid((struct span){text, n}, &at))
			fail_msg("%s refused at %zu", good[i], at);
		assert_int_equal(at, n);
		free(text);
	}
}

static void test_invalid_json_is_refused_where_it_goes_wrong(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} bad[] = {{"", 0}, {"  ", 2}, {"{", 1}, {"[", 1}, {"}", 0}, {"[1", 2}, {"[1,", 3},
	    {"[1,]", 3}, {"[,1]", 1}, {"[1 2]", 3}, {"[1}", 2}, {"{]", 1}, {"{\"a\"}", 4},
	    {"{\"a\":}", 5}, {"{\"a\":1,}", 7}, {"{\"a\" 1}", 5}, {"{a:1}", 1}, {"{1:1}", 1},
	    {"{\"a\":1 \"b\":2}", 7}, {"{\"a\":1,,\"b\":2}", 7}, {"{}{}", 2}, {"{} x", 3},
	    {"1 2", 2}, {"01", 1}, {"-", 1}, {"+1", 0}, {"1.", 2}, {".5", 0}, {"1e", 2}, {"1e+", 3},
	    {"1.e5", 2}, {"-x", 1}, {"0x1", 1}, {"tru", 3}, {"trux", 3}, {"truee", 4}, {"nul", 3},
	    {"NaN", 0}, {"Infinity", 0}, {"\"", 1}, {"\"a", 2}, {"\"\\", 2}, {"\"\\x\"", 2},
	    {"\"\\u12G4\"", 5}, {"\"\\u12", 5}, {"\"a\nb\"", 2}, {"\"\x1F\"", 1}, {"\"\xFF\"", 1},
	    {"\"a\xC3\"", 2}, {"\"\xC0\x80\"", 1}, {"\"\xED\xA0\x80\"", 1},
	    {"\"\xF4\x90\x80\x80\"", 1}, {"\xEF\xBB\xBF{}", 0}, {"'a'", 0}, {"[1,/**/2]", 3},
	    {"\f[]", 0}, {"[1]]", 3}, {"{\"a\":1}}", 7}};
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		size_t n = strlen(bad[i].text);
		char *text = exactly(bad[i].text, n);

		if (json_valid((struct span){text, n}, &at))
			fail_msg("%s taken", bad[i].text);
		if (at != bad[i].at)
			fail_msg("%s: at %zu, expected %zu", bad[i].text, at, bad[i].at);
		free(text);
	}
	assert_false(json_valid((struct span){"{}\0", 3}, &at));
	assert_int_equal(at, 2);
	assert_false(json_valid((struct span){"\"\0\"", 3}, &at));
	assert_int_equal(at, 1);
}

static void test_every_beginning_of_a_value_is_refused(void **state)
{
	size_t at;

	(void)state;
	assert_true(json_valid(span_of(event), &at));
	for (size_t n = 0; n < sizeof event - 1; n++) {
		char *text = exactly(event, n);

		assert_false(json_valid((struct span){text, n}, &at));
		assert_int_equal(at, n);
		free(text);
	}
}

static void test_the_check_knows_depth(void **state)
{
	size_t at;

	(void)state;
	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		char *text = nested(depth);

		assert_int_equal(json_valid(span_of(text), &at), depth <= JSON_DEPTH_MAX);
		assert_int_equal(at, depth <= JSON_DEPTH_MAX ? 2 * depth : JSON_DEPTH_MAX);
		free(text);
	}
}

static void test_what_the_check_takes_can_be_tokenized(void **state)
{
	static const char *const pieces[] = {"{", "}", "[", "]", ":", ",", "\"a\"", "1", "true", " "};
	uint32_t seed = 1234567u;
	struct json j;
	int valid = 0;
	size_t at;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		char text[64] = "";

		for (uint32_t k = 1 + next_random(&seed) % 9; k > 0; k--)
			strcat(text, pieces[next_random(&seed) % COUNT(pieces)]);
		if (!json_valid(span_of(text), &at))
			continue;
		valid++;
		if (parse(&j, text))
			fail_msg("%s is valid but refused", text);
	}
	assert_true(valid > 100);
}

/* ---- writer ---------------------------------------------------------------------------------- */

static void test_the_writer_puts_commas(void **state)
{
	struct buf out;
	struct json_writer w;
	size_t at;

	(void)state;
	buf_init(&out, 4096);
	json_start(&w, &out);
	json_open(&w, '{');
	json_key(&w, "a");
	json_open(&w, '[');
	json_close(&w, ']');
	json_key(&w, "b");
	json_open(&w, '[');
	json_number(&w, INT64_MIN);
	json_number(&w, 0);
	json_open(&w, '{');
	json_close(&w, '}');
	json_open(&w, '{');
	json_key(&w, "c");
	json_bool_value(&w, true);
	json_close(&w, '}');
	json_null(&w);
	json_close(&w, ']');
	json_key(&w, "d");
	json_cstring(&w, NULL);
	json_key(&w, "e");
	json_raw_value(&w, span_of("{\"x\":[1,2]}"));
	json_key(&w, "f");
	json_bool_value(&w, false);
	json_close(&w, '}');
	assert_buf(&out,
	    "{\"a\":[],\"b\":[-9223372036854775808,0,{},{\"c\":true},null],\"d\":null,"
	    "\"e\":{\"x\":[1,2]},\"f\":false}");
	assert_true(json_valid((struct span){out.p, out.n}, &at));
	buf_free(&out);
}

static void test_any_bytes_become_a_safe_string(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *json;
	} strings[] = {{"", 0, "\"\""}, {"plain", 5, "\"plain\""},
	    {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""}, {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
	    {"\0\1\x1F\x7F", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
	    {"\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\""},
	    {"x\xE2\x80\xA8\xE2\x80\xA9y", 8, "\"x\\u2028\\u2029y\""},
	    /* what a terminal obeys: C1, and marks of direction */
	    {"\x7F\xC2\x9B\xE2\x80\xAE\xD8\x9C", 8, "\"\\u007f\\u009b\\u202e\\u061c\""},
	    {"\xFFz", 2, "\"\xEF\xBF\xBDz\""}, {"a\xC3", 2, "\"a\xEF\xBF\xBD\""},
	    {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}};
	struct buf out;
	struct json_writer w;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(strings); i++) {
		char *bytes = exactly(strings[i].bytes, strings[i].n);
		size_t at;

		out.n = 0;
		json_start(&w, &out);
		json_string(&w, (struct span){bytes, strings[i].n});
		assert_buf(&out, strings[i].json);
		assert_true(json_valid((struct span){out.p, out.n}, &at));
		free(bytes);
	}
	buf_free(&out);
}

static void test_what_is_written_reads_back(void **state)
{
	uint32_t seed = 42;
	struct buf out;
	struct json_writer w;
	struct json j;
	char bytes[20], back[64];
	size_t at;

	(void)state;
	buf_init(&out, 4096);
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (char)(1 + next_random(&seed) % 126);
		out.n = 0;
		json_start(&w, &out);
		json_string(&w, (struct span){bytes, sizeof bytes});
		assert_true(json_valid((struct span){out.p, out.n}, &at));
		assert_int_equal(
		    json_parse(&j, (struct span){out.p, out.n}, tokens, JSON_TOKENS_MAX), 0);
		assert_int_equal(json_text(&j, 0, back, sizeof back), sizeof bytes);
		assert_memory_equal(back, bytes, sizeof bytes);
	}
	buf_free(&out);
}

static void test_seconds_are_as_short_as_exact(void **state)
{
	static const struct {
		uint64_t milliseconds;
		const char *json;
	} times[] = {{0, "0"}, {90000, "90"}, {1500, "1.5"}, {250, "0.25"}, {1001, "1.001"},
	    {1050, "1.05"}, {5, "0.005"}, {UINT64_MAX, "18446744073709551.615"}};
	struct buf out;
	struct json_writer w;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < COUNT(times); i++) {
		out.n = 0;
		json_start(&w, &out);
		json_seconds(&w, times[i].milliseconds);
		assert_buf(&out, times[i].json);
	}
	buf_free(&out);
}

static void test_a_format_prints_members_and_brackets(void **state)
{
	struct buf out;
	struct json_writer w;
	struct span part = {"a\"bc", 3};
	const char *volatile nothing = NULL;

	(void)state;
	buf_init(&out, 4096);
	json_start(&w, &out);
	json_print(&w, "{ name %s none %s part %.*s list [", "x\n%s", nothing, JSON_SPAN(part));
	json_number(&w, 1);
	json_print(&w, "%u { } [ ] %d ] yes %d no %d", UINT32_MAX, true, true, false);
	json_print(&w, "least %lld most %llu at %lli never %lli last", (long long)INT64_MIN, 9ull,
	    1761827723789ll, 0ll);
	json_null(&w);
	json_print(&w, "}");
	assert_false(out.failed);
	buf_add(&out, "", 1);
	assert_string_equal(out.p,
	    "{\"name\":\"x\\n%s\",\"none\":null,\"part\":\"a\\\"b\",\"list\":[1,4294967295,{},[],true],"
	    "\"yes\":true,\"no\":false,\"least\":-9223372036854775808,\"most\":9,"
	    "\"at\":\"2025-10-30T12:35:23.789Z\",\"never\":null,\"last\":null}");
	buf_free(&out);
}

static void test_times_are_strings_or_null(void **state)
{
	struct buf out;
	struct json_writer w;

	(void)state;
	buf_init(&out, 100);
	json_start(&w, &out);
	json_open(&w, '[');
	json_time(&w, 1761827723789);
	json_time(&w, 0);
	json_close(&w, ']');
	assert_buf(&out, "[\"2025-10-30T12:35:23.789Z\",null]");
	buf_free(&out);
}

static void test_the_writer_says_when_there_was_no_room(void **state)
{
	struct buf out;
	struct json_writer w;

	(void)state;
	buf_init(&out, 8);
	json_start(&w, &out);
	json_open(&w, '[');
	json_cstring(&w, "longer than that");
	json_number(&w, 1);
	assert_true(out.failed);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_any_cut_gives_the_same_values),
	    cmocka_unit_test(test_a_whole_value_is_not_copied),
	    cmocka_unit_test(test_a_value_stays_until_the_next_call),
	    cmocka_unit_test(test_a_too_large_value_is_skipped_and_counted),
	    cmocka_unit_test(test_an_endless_value_takes_no_more_than_the_limit),
	    cmocka_unit_test(test_a_too_deep_value_is_skipped_and_counted),
	    cmocka_unit_test(test_kinds_of_brackets_are_known_again_after_a_deep_one),
	    cmocka_unit_test(test_nothing_comes_after_bad_bytes_until_reset),
	    cmocka_unit_test(test_reset_forgets_the_half_read_but_not_the_count),
	    cmocka_unit_test(test_memory_of_a_large_value_is_given_back),
	    cmocka_unit_test(test_parse_takes_values_of_every_kind),
	    cmocka_unit_test(test_parse_refuses_what_jsmn_lets_pass),
	    cmocka_unit_test(test_parse_has_limits),
	    cmocka_unit_test(test_members_are_found_at_their_level_only),
	    cmocka_unit_test(test_the_first_of_two_equal_names_counts),
	    cmocka_unit_test(test_walks_see_direct_children_only),
	    cmocka_unit_test(test_walks_of_nothing_end_at_once),
	    cmocka_unit_test(test_what_is_not_there_answers_so_everywhere),
	    cmocka_unit_test(test_kinds_of_tokens_are_told_apart),
	    cmocka_unit_test(test_whole_numbers_only),
	    cmocka_unit_test(test_escapes_become_text),
	    cmocka_unit_test(test_text_is_cut_at_whole_characters),
	    cmocka_unit_test(test_damaged_values_are_refused_or_safe_to_walk),
	    cmocka_unit_test(test_short_nonsense_is_refused_or_safe_to_walk),
	    cmocka_unit_test(test_valid_json_is_valid),
	    cmocka_unit_test(test_invalid_json_is_refused_where_it_goes_wrong),
	    cmocka_unit_test(test_every_beginning_of_a_value_is_refused),
	    cmocka_unit_test(test_the_check_knows_depth),
	    cmocka_unit_test(test_what_the_check_takes_can_be_tokenized),
	    cmocka_unit_test(test_the_writer_puts_commas),
	    cmocka_unit_test(test_any_bytes_become_a_safe_string),
	    cmocka_unit_test(test_what_is_written_reads_back),
	    cmocka_unit_test(test_seconds_are_as_short_as_exact),
	    cmocka_unit_test(test_a_format_prints_members_and_brackets),
	    cmocka_unit_test(test_times_are_strings_or_null),
	    cmocka_unit_test(test_the_writer_says_when_there_was_no_room),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

/* test_buf.c - what buf.h promises: growth up to a ceiling, and one look at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "buf.h"

static void assert_holds(const struct buf *b, const char *text)
{
	assert_false(b->failed);
	assert_int_equal(b->n, strlen(text));
	assert_memory_equal(b->p, text, b->n);
	assert_true(b->n <= b->cap && b->cap <= b->max);
}

static void test_an_empty_buf_has_no_memory(void **state)
{
	struct buf b;

	(void)state;
	memset(&b, 0xA5, sizeof(b));
	buf_init(&b, 100);
	assert_null(b.p);
	assert_int_equal(b.n, 0);
	assert_int_equal(b.cap, 0);
	assert_int_equal(b.max, 100);
	assert_false(b.failed);
	buf_add(&b, NULL, 0);
	buf_add_text(&b, "");
	buf_add_span(&b, (struct span){NULL, 0});
	buf_drop(&b, 0);
	buf_drop(&b, 10);
	assert_null(b.p);
	assert_false(b.failed);
	buf_free(&b);
	buf_free(&b);
}

static void test_what_is_added_stands_in_order(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add(&b, "abc", 2);
	buf_add_text(&b, "-text");
	buf_add_span(&b, (struct span){"-span!", 5});
	buf_print(&b, "-%d-%s", 42, "x");
	assert_holds(&b, "ab-text-span-42-x");
	buf_add(&b, "\0z", 2);
	assert_int_equal(b.n, 19);
	assert_memory_equal(b.p + 17, "\0z", 2);
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.n, 0);
	buf_add_text(&b, "again");
	assert_holds(&b, "again");
	buf_free(&b);
}

static void test_growing_keeps_every_byte(void **state)
{
	struct buf b;
	size_t n = 0;

	(void)state;
	buf_init(&b, 300000);
	for (unsigned i = 0; n < 250000; i++) {
		char piece[700];
		size_t length = i * 37 % sizeof(piece);

		for (size_t k = 0; k < length; k++)
			piece[k] = (char)((n + k) % 251);
		buf_add(&b, piece, length);
		n += length;
		assert_int_equal(b.n, n);
	}
	assert_false(b.failed);
	for (size_t i = 0; i < n; i++)
		assert_int_equal((unsigned char)b.p[i], i % 251);
	buf_free(&b);
}

static void test_it_fills_to_the_last_byte_and_no_further(void **state)
{
	static const size_t sizes[] = {1, 2, 511, 512, 513, 1000, 1024, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf b;

		buf_init(&b, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			buf_add(&b, "x", 1);
		assert_false(b.failed);
		assert_int_equal(b.n, sizes[i]);
		assert_int_equal(b.cap, sizes[i]);
		buf_add(&b, "y", 1);
		assert_true(b.failed);
		assert_int_equal(b.n, sizes[i]);
		assert_int_equal(b.p[sizes[i] - 1], 'x');
		buf_free(&b);
	}
}

static void test_a_failed_buf_takes_nothing_more(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_add_text(&b, "1234");
	buf_add_text(&b, "too long");
	assert_true(b.failed);
	/* what would fit comes too late: half a text is worse than none */
	buf_add_text(&b, "56");
	buf_add_span(&b, span_of("7"));
	buf_print(&b, "%d", 8);
	assert_null(buf_room(&b, 1));
	assert_true(b.failed);
	assert_int_equal(b.n, 4);
	assert_memory_equal(b.p, "1234", 4);
	buf_free(&b);
	assert_false(b.failed);
	buf_add_text(&b, "12345678");
	assert_holds(&b, "12345678");
	buf_free(&b);
}

static void test_room_is_the_callers_to_fill(void **state)
{
	struct buf b;
	char *room;

	(void)state;
	buf_init(&b, 1000);
	buf_add_text(&b, "ab");
	room = buf_room(&b, 900);
	assert_non_null(room);
	assert_ptr_equal(room, b.p + 2);
	memset(room, 'c', 900); /* all of it is there */
	assert_int_equal(b.n, 2);
	b.n += 1;
	assert_holds(&b, "abc");
	assert_null(buf_room(&b, 998));
	assert_true(b.failed);
	buf_free(&b);
}

static void test_no_size_is_so_large_that_it_seems_small(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_text(&b, "abc");
	assert_null(buf_room(&b, SIZE_MAX));
	assert_true(b.failed);
	buf_free(&b);
	buf_add_text(&b, "abc");
	assert_null(buf_room(&b, SIZE_MAX - 2));
	assert_true(b.failed);
	buf_free(&b);
}

static void test_a_print_beyond_the_ceiling_fails_whole(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_print(&b, "%s", "12345");
	buf_print(&b, "%s-%d", "678", 90123);
	assert_true(b.failed);
	assert_int_equal(b.n, 5);
	buf_free(&b);
}

static void test_a_print_is_as_long_as_it_needs(void **state)
{
	static char text[5000];
	struct buf b;

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	buf_init(&b, 20000);
	for (int i = 0; i < 3; i++)
		buf_print(&b, "%s|", text);
	assert_false(b.failed);
	assert_int_equal(b.n, 15000);
	assert_memory_equal(b.p, text, 4999);
	assert_int_equal(b.p[4999], '|');
	assert_memory_equal(b.p + 10000, text, 4999);
	assert_int_equal(b.p[14999], '|');
	buf_free(&b);
}

/* The terminating zero is nobody's: it does not count against the ceiling. */
static void test_a_print_may_fill_to_the_last_byte(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_print(&b, "%s", "1234");
	buf_print(&b, "%d", 5678);
	assert_holds(&b, "12345678");
	buf_free(&b);
}

static void test_dropping_moves_the_rest_to_the_front(void **state)
{
	struct buf b;
	size_t cap;

	(void)state;
	buf_init(&b, 100);
	buf_add_text(&b, "0123456789");
	cap = b.cap;
	buf_drop(&b, 0);
	assert_holds(&b, "0123456789");
	buf_drop(&b, 3);
	assert_holds(&b, "3456789");
	buf_drop(&b, 6);
	assert_holds(&b, "9");
	buf_drop(&b, 1);
	assert_holds(&b, "");
	assert_int_equal(b.cap, cap);
	buf_add_text(&b, "abc");
	buf_drop(&b, 50);
	assert_holds(&b, "");
	buf_free(&b);
}

/* As a connection uses it: written at the end, taken from the front. */
static void test_a_ceiling_holds_for_what_waits_not_for_all_that_passed(void **state)
{
	struct buf b;
	unsigned in = 0, out = 0;

	(void)state;
	buf_init(&b, 64);
	while (out < 10000) {
		size_t n = 1 + in * 7 % 30;

		for (size_t i = 0; i < n; i++, in++)
			buf_add(&b, &(char){(char)in}, 1);
		n = b.n > 20 ? b.n - in % 20 : 0;
		for (size_t i = 0; i < n; i++, out++)
			assert_int_equal((char)out, b.p[i]);
		buf_drop(&b, n);
	}
	assert_false(b.failed);
	assert_true(b.cap <= 64);
	buf_free(&b);
}

static void test_lent_memory_is_used_as_long_as_it_is_enough(void **state)
{
	char memory[8];
	struct buf b;

	(void)state;
	buf_lend(&b, memory, sizeof(memory), 20);
	buf_add_text(&b, "12345678");
	assert_ptr_equal(b.p, memory);
	buf_add_text(&b, "9");
	assert_ptr_not_equal(b.p, memory);
	assert_holds(&b, "123456789");
	buf_add_text(&b, "0123456789A");
	buf_add_text(&b, "B");
	assert_true(b.failed); /* the ceiling is its own */
	buf_free(&b);
	buf_lend(&b, memory, sizeof(memory), 20);
	buf_add_text(&b, "1");
	buf_free(&b); /* no memory of ours to give back */
	assert_null(b.p);
	assert_int_equal(b.n, 0);
}

static void test_what_is_kept_outlives_the_loan(void **state)
{
	char memory[8];
	struct buf b;

	(void)state;
	buf_lend(&b, memory, sizeof(memory), 100);
	buf_add_text(&b, "hello");
	buf_keep(&b);
	memset(memory, 'x', sizeof(memory));
	assert_holds(&b, "hello");
	buf_keep(&b); /* its own already */
	assert_holds(&b, "hello");
	buf_free(&b);

	buf_lend(&b, memory, sizeof(memory), 100);
	buf_keep(&b);
	assert_null(b.p); /* nothing to keep, nothing allocated */
	buf_add_text(&b, "later");
	assert_ptr_not_equal(b.p, memory);
	assert_holds(&b, "later");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_empty_buf_has_no_memory),
	    cmocka_unit_test(test_what_is_added_stands_in_order),
	    cmocka_unit_test(test_growing_keeps_every_byte),
	    cmocka_unit_test(test_it_fills_to_the_last_byte_and_no_further),
	    cmocka_unit_test(test_a_failed_buf_takes_nothing_more),
	    cmocka_unit_test(test_room_is_the_callers_to_fill),
	    cmocka_unit_test(test_no_size_is_so_large_that_it_seems_small),
	    cmocka_unit_test(test_a_print_beyond_the_ceiling_fails_whole),
	    cmocka_unit_test(test_a_print_is_as_long_as_it_needs),
	    cmocka_unit_test(test_a_print_may_fill_to_the_last_byte),
	    cmocka_unit_test(test_dropping_moves_the_rest_to_the_front),
	    cmocka_unit_test(test_a_ceiling_holds_for_what_waits_not_for_all_that_passed),
	    cmocka_unit_test(test_lent_memory_is_used_as_long_as_it_is_enough),
	    cmocka_unit_test(test_what_is_kept_outlives_the_loan),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

/* tls_names and tls_der: the name of a server, and a reader that believes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tls_names.h"

static bool match(const char *pattern, const char *host)
{
	return tls_name_matches(span_of(pattern), span_of(host));
}

static void dns_names(void **state)
{
	(void)state;
	assert_true(match("docker.example.com", "docker.example.com"));
	assert_true(match("Docker.EXAMPLE.com", "docker.example.COM"));
	assert_true(match("docker.example.com", "docker.example.com."));
	assert_true(match("localhost", "localhost"));
	assert_false(match("docker.example.com", "docker.example.co"));
	assert_false(match("docker.example.com", "xdocker.example.com"));
	assert_false(match("docker.example.com.", "docker.example.com"));
	assert_false(match("example.com", "docker.example.com"));
	assert_false(match("", ""));
	assert_false(match("", "a"));
	assert_false(match("a", ""));
	assert_false(match(".", "."));
	/* Only ASCII letters fold: K is not the Kelvin sign, and [ is not {. */
	assert_false(match("a[b", "a{b"));
	/* A zero byte ends no name (the attack on common names of 2009). */
	assert_false(tls_name_matches((struct span){"good.com\0.evil.com", 18}, span_of("good.com")));
}

static void wildcards(void **state)
{
	(void)state;
	assert_true(match("*.example.com", "a.example.com"));
	assert_true(match("*.EXAMPLE.com", "xn--bcher-kva.example.com."));
	assert_true(match("*.local", "node1.local"));
	assert_false(match("*.example.com", "example.com"));
	assert_false(match("*.example.com", ".example.com"));
	assert_false(match("*.example.com", "a.b.example.com"));
	assert_false(match("*.example.com", "aexample.com"));
	assert_false(match("a*.example.com", "ab.example.com"));
	assert_false(match("*a.example.com", "ba.example.com"));
	assert_false(match("a.*.com", "a.b.com"));
	assert_false(match("**.example.com", "a.example.com"));
	assert_false(match("*", "localhost"));
	assert_false(match("*.", "localhost"));
	assert_false(match("*.", "localhost."));
	assert_false(match("*.*.com", "a.b.com"));
	/* A wildcard is not for addresses: those go by iPAddress alone, see below. */
	assert_true(tls_name_is_address(span_of("10.0.0.1")));
	assert_true(tls_name_is_address(span_of("::1")));
	assert_false(tls_name_is_address(span_of("10.0.0.1.example.com")));
	assert_false(tls_name_is_address(span_of("10.0.1")));
	assert_false(tls_name_is_address(span_of("")));
}

/* ---- whole lists of names ----------------------------------------------------------------------- */

static char words[256];

static bool check(const void *names, size_t n, const char *host)
{
	struct tls_certificate c = {.names = {names, n}};

	words[0] = 0;
	return tls_names_check(&c, span_of(host), words, sizeof(words));
}

#define CHECK(names, host) check(names, sizeof(names) - 1, host)

static const char list[] = "\x82\x07"
			   "a.local"
			   "\x87\x04"
			   "\x0a\x00\x00\x01"
			   "\x81\x03"
			   "m@x"
			   "\x82\x09"
			   "*.b.local"
			   "\x87\x10"
			   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";

static void finds_names_and_addresses(void **state)
{
	(void)state;
	assert_true(CHECK(list, "a.local"));
	assert_true(CHECK(list, "x.b.local"));
	assert_true(CHECK(list, "10.0.0.1"));
	assert_true(CHECK(list, "2001:db8::1"));
	assert_true(CHECK(list, "2001:0DB8:0:0::1"));
	assert_true(CHECK(list, "::ffff:10.0.0.1"));
	assert_false(CHECK(list, "10.0.0.2"));
	assert_string_equal(words,
	    "the server's certificate is for a.local, 10.0.0.1, *.b.local, 2001:db8:0:0:0:0:0:1; not for "
	    "10.0.0.2");
	assert_false(CHECK(list, "2001:db8::2"));
	assert_false(CHECK(list, "m@x"));
	assert_false(CHECK(list, "c.local"));
	assert_string_equal(words,
	    "the server's certificate is for a.local, 10.0.0.1, *.b.local, 2001:db8:0:0:0:0:0:1; not for "
	    "c.local");
}

static void takes_no_address_for_a_name_nor_the_reverse(void **state)
{
	(void)state;
	/* An address written as a DNS name, alone or through a wildcard, does not count. */
	assert_false(CHECK("\x82\x08"
			   "10.0.0.1",
	    "10.0.0.1"));
	assert_false(CHECK("\x82\x08"
			   "*.0.0.1\0",
	    "10.0.0.1"));
	assert_false(CHECK("\x82\x07"
			   "*.0.0.1",
	    "10.0.0.1"));
	/* Nor do four letters that happen to be the bytes of an address. */
	assert_false(CHECK("\x87\x04"
			   "name",
	    "name"));
	assert_false(CHECK("\x82\x04"
			   "\x0a\0\0\1",
	    "10.0.0.1"));
	/* Addresses of other lengths (with a mask, as in name constraints) are none. */
	assert_false(CHECK("\x87\x08"
			   "\x0a\0\0\1\xff\xff\xff\xff",
	    "10.0.0.1"));
	assert_false(CHECK("\x87\x00", "10.0.0.1"));
}

static void says_why_in_harmless_words(void **state)
{
	static const char many[] = "\x82\x40"
				   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				   "\x82\x40"
				   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

	(void)state;
	assert_false(check(NULL, 0, "host"));
	assert_string_equal(words,
	    "the server's certificate has no subjectAltName, and its common name alone "
	    "does not count; it must name host");
	assert_false(CHECK("", "host"));
	assert_string_equal(words, "the server's certificate is for no host; not for host");
	assert_false(CHECK("\x82\x05"
			   "a\x1b[2\n",
	    "h\nst"));
	assert_string_equal(words, "the server's certificate is for a?[2?; not for h?st");
	/* The host's place is kept, however many names there are. */
	assert_false(CHECK(many, "wanted"));
	assert_non_null(strstr(words, ", ...; not for wanted"));
}

static void refuses_a_broken_list_even_after_the_name(void **state)
{
	char lies[sizeof(list)];
	size_t i;
	unsigned v;

	(void)state;
	for (i = 0; i < sizeof(list) - 1; i++) {
		char *cut = malloc(i ? i : 1); /* of its exact size, for the sanitizer */
		bool whole = i == 0 || i == 9 || i == 15 || i == 20 || i == 31;

		memcpy(cut, list, i);
		assert_int_equal(check(cut, i, "a.local"), whole && i >= 9);
		free(cut);
	}
	/* Every byte, every value: no crash, and the address at the end is never found behind a lie. */
	for (i = 0; i < sizeof(list) - 1; i++)
		for (v = 0; v < 256; v++) {
			memcpy(lies, list, sizeof(list));
			lies[i] = (char)v;
			check(lies, sizeof(list) - 1, "2001:db8::1");
		}
	assert_false(CHECK("\x82\x07"
			   "a.local\x82",
	    "a.local"));
	assert_string_equal(words, "the names of the server's certificate are malformed");
	assert_false(CHECK("\x82\x07"
			   "a.local\x82\x80",
	    "a.local"));
	assert_false(CHECK("\x82\x07"
			   "a.local\x9f\x01\x00",
	    "a.local"));
	assert_false(CHECK("\x82\x81\x07"
			   "a.local",
	    "a.local"));
	assert_false(CHECK("\x82\x82\x00\x07"
			   "a.local",
	    "a.local"));
	assert_false(CHECK("\x82\x84\xff\xff\xff\xff"
			   "a.local",
	    "a.local"));
}

static void must_be_for_servers(void **state)
{
	static const char client[] = "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";
	static const char both[] =
	    "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
	static const char any[] = "\x06\x04\x55\x1d\x25\x00";
	struct tls_certificate c = {.names = {list, sizeof(list) - 1}};

	(void)state;
	assert_true(tls_names_check(&c, span_of("a.local"), words, sizeof(words)));
	c.purposes = (struct span){both, sizeof(both) - 1};
	assert_true(tls_names_check(&c, span_of("a.local"), words, sizeof(words)));
	c.purposes = (struct span){any, sizeof(any) - 1};
	assert_true(tls_names_check(&c, span_of("a.local"), words, sizeof(words)));
	c.purposes = (struct span){client, sizeof(client) - 1};
	assert_false(tls_names_check(&c, span_of("a.local"), words, sizeof(words)));
	c.purposes = (struct span){both, 15};
	assert_false(tls_names_check(&c, span_of("a.local"), words, sizeof(words)));
	c.purposes = (struct span){"", 0};
	assert_false(tls_names_check(&c, span_of("a.local"), words, sizeof(words)));
	assert_string_equal(words,
	    "the server's certificate is not one for servers (extendedKeyUsage lacks serverAuth)");
}

/* ---- DER ------------------------------------------------------------------------------------------ */

static bool next(const char *bytes, size_t n, size_t expected)
{
	struct span rest = {bytes, n}, value;
	unsigned tag;

	if (!der_next(&rest, &tag, &value)) {
		assert_ptr_equal(rest.p, bytes);
		assert_int_equal(rest.n, n);
		return false;
	}
	assert_int_equal(value.n, expected);
	assert_true(value.p + value.n == rest.p && value.p >= bytes && rest.p + rest.n == bytes + n);
	return true;
}

static void der_lengths(void **state)
{
	char *large = calloc(1, 70000);

	(void)state;
	assert_true(next("\x04\x00", 2, 0));
	assert_true(next("\x04\x01z", 3, 1));
	assert_false(next("\x04", 1, 0));
	assert_false(next("", 0, 0));
	assert_false(next("\x04\x02z", 3, 0));
	assert_false(next("\x1f\x01z", 3, 0));     /* high tag numbers */
	assert_false(next("\x04\x80z\0\0", 5, 0)); /* indefinite, X.690 8.1.3.6 */
	assert_false(next("\x04\x81\x01z", 4, 0)); /* not the shortest form */
	assert_false(next("\x04\x82\x00\x80", 4, 0));
	assert_false(next("\x04\x81", 2, 0));
	assert_false(next("\x04\xff", 2, 0));
	memcpy(large, "\x04\x81\x80", 3);
	assert_true(next(large, 131, 128));
	assert_false(next(large, 130, 128));
	memcpy(large, "\x04\x82\x01\x00", 4);
	assert_true(next(large, 260, 256));
	memcpy(large, "\x04\x83\x01\x00\x00", 5);
	assert_true(next(large, 70000, 65536));
	assert_false(next(large, 65540, 65536));
	memcpy(large, "\x04\x84\x00\x00\x00\x01", 6);
	assert_false(next(large, 70000, 1));
	free(large);
}

static bool number(const char *bytes, size_t n)
{
	struct span rest = {bytes, n}, value;

	return der_take_unsigned(&rest, &value);
}

static void der_values(void **state)
{
	struct span rest = {"\x04\x01z", 3}, value;

	(void)state;
	assert_false(der_take(&rest, DER_SEQUENCE, &value));
	assert_int_equal(rest.n, 3);
	assert_true(der_take(&rest, DER_OCTETS, &value));
	assert_int_equal(rest.n, 0);
	assert_true(number("\x02\x01\x00", 3));
	assert_true(number("\x02\x02\x00\x80", 4));
	assert_false(number("\x02\x00", 2));
	assert_false(number("\x02\x01\x80", 3)); /* negative */
	assert_false(number("\x02\x02\x00\x7f", 4));
	rest = (struct span){"\x03\x02\x00z", 4};
	assert_true(der_take_bits(&rest, &value));
	assert_int_equal(value.n, 1);
	rest = (struct span){"\x03\x02\x01z", 4};
	assert_false(der_take_bits(&rest, &value));
	rest = (struct span){"\x03\x00", 2};
	assert_false(der_take_bits(&rest, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dns_names),
	    cmocka_unit_test(wildcards),
	    cmocka_unit_test(finds_names_and_addresses),
	    cmocka_unit_test(takes_no_address_for_a_name_nor_the_reverse),
	    cmocka_unit_test(says_why_in_harmless_words),
	    cmocka_unit_test(refuses_a_broken_list_even_after_the_name),
	    cmocka_unit_test(must_be_for_servers),
	    cmocka_unit_test(der_lengths),
	    cmocka_unit_test(der_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

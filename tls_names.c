/* tls_names.c - the name check of tls_names.h. */
#include "tls_names.h"

#include <string.h>

#include "net.h"

/* Both families as 16 bytes, IPv4 in its IPv4-mapped form, so that ::ffff:10.0.0.1 is 10.0.0.1. */
struct ip {
	uint8_t bytes[16];
};

static void ip_from_v4(struct ip *ip, const void *bytes)
{
	memset(ip->bytes, 0, 10);
	memset(ip->bytes + 10, 0xff, 2);
	memcpy(ip->bytes + 12, bytes, 4);
}

static bool ip_of_host(struct ip *ip, struct span host)
{
	struct net_address a;

	if (!net_literal(&a, host, 0))
		return false;
	if (a.to.any.sa_family == AF_INET)
		ip_from_v4(ip, &a.to.v4.sin_addr);
	else
		memcpy(ip->bytes, &a.to.v6.sin6_addr, sizeof(ip->bytes));
	return true;
}

static bool ip_of_entry(struct ip *ip, struct span entry)
{
	if (entry.n == 4)
		ip_from_v4(ip, entry.p);
	else if (entry.n == 16)
		memcpy(ip->bytes, entry.p, 16);
	return entry.n == 4 || entry.n == 16;
}

bool tls_name_is_address(struct span host)
{
	struct ip ip;

	return ip_of_host(&ip, host);
}

static bool same_nocase(struct span a, struct span b)
{
	size_t i;

	if (a.n != b.n)
		return false;
	for (i = 0; i < a.n; i++) {
		char x = a.p[i], y = b.p[i];

		if (x >= 'A' && x <= 'Z')
			x = (char)(x + 32);
		if (y >= 'A' && y <= 'Z')
			y = (char)(y + 32);
		if (x != y)
			return false;
	}
	return true;
}

bool tls_name_matches(struct span pattern, struct span host)
{
	const char *dot;
	size_t label;

	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	if (!host.n || host.n > TLS_NAME_MAX || !pattern.n)
		return false;
	if (pattern.n < 3 || pattern.p[0] != '*' || pattern.p[1] != '.')
		return same_nocase(pattern, host);
	dot = memchr(host.p, '.', host.n);
	if (!dot || dot == host.p)
		return false;
	label = (size_t)(dot - host.p);
	return same_nocase((struct span){pattern.p + 1, pattern.n - 1},
	    (struct span){host.p + label, host.n - label});
}

/* ---- words ------------------------------------------------------------------------------------ */

struct words {
	char *out;
	size_t cap, n;
};

static void add(struct words *w, struct span s)
{
	size_t i;

	for (i = 0; i < s.n && w->n + 1 < w->cap; i++)
		w->out[w->n++] = s.p[i] > ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	w->out[w->n] = 0;
}

static void say(struct words *w, const char *text)
{
	w->n += span_copy(span_of(text), w->out + w->n, w->cap - w->n);
}

static void add_address(struct words *w, struct span entry)
{
	const uint8_t *p = (const uint8_t *)entry.p;
	char text[48];
	size_t i, n = 0;

	if (entry.n == 4) {
		text_print(text, sizeof(text), "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
	} else if (entry.n == 16) {
		for (i = 0; i < 16; i += 2)
			n += (size_t)text_print(text + n, sizeof(text) - n, i ? ":%x" : "%x",
			    (unsigned)(p[i] << 8 | p[i + 1]));
	} else {
		text_print(text, sizeof(text), "?");
	}
	say(w, text);
}

/* Lists the names as far as half the room reaches: the host must still find its place. */
static void explain(struct span names, struct span host, char *out, size_t cap)
{
	struct words w = {out, cap, 0};
	struct span entry;
	unsigned tag, listed = 0;

	say(&w, "the server's certificate is for ");
	while (der_next(&names, &tag, &entry)) {
		if (tag != DER_DNS_NAME && tag != DER_IP_ADDRESS)
			continue;
		say(&w, listed++ ? ", " : "");
		if (w.n + entry.n > cap / 2) {
			say(&w, "...");
			break;
		}
		if (tag == DER_DNS_NAME)
			add(&w, entry);
		else
			add_address(&w, entry);
	}
	say(&w, listed ? "; not for " : "no host; not for ");
	add(&w, host);
}

/* ---- the check -------------------------------------------------------------------------------- */

/* RFC 5280 4.2.1.12: without the extension any purpose; with it serverAuth or anyExtendedKeyUsage. */
static bool is_for_servers(struct span purposes)
{
	static const uint8_t server_auth[] = {0x2b, 6, 1, 5, 5, 7, 3, 1};
	static const uint8_t any[] = {0x55, 0x1d, 0x25, 0};
	struct span oid;

	if (!purposes.p)
		return true;
	while (der_take(&purposes, DER_OID, &oid))
		if ((oid.n == sizeof(server_auth) && !memcmp(oid.p, server_auth, oid.n)) ||
		    (oid.n == sizeof(any) && !memcmp(oid.p, any, oid.n)))
			return true;
	return false;
}

static bool entry_matches(unsigned tag, struct span entry, struct span host, const struct ip *ip)
{
	struct ip other;

	if (!ip)
		return tag == DER_DNS_NAME && tls_name_matches(entry, host);
	return tag == DER_IP_ADDRESS && ip_of_entry(&other, entry) &&
	    !memcmp(ip->bytes, other.bytes, sizeof(other.bytes));
}

bool tls_names_check(
    const struct tls_certificate *c, struct span host, char *words, size_t words_size)
{
	struct span rest = c->names, entry;
	struct ip ip;
	bool is_ip = ip_of_host(&ip, host), found = false;
	unsigned tag;

	if (!is_for_servers(c->purposes)) {
		text_print(words, words_size,
		    "the server's certificate is not one for servers (extendedKeyUsage lacks serverAuth)");
		return false;
	}
	if (!c->names.p) {
		struct words w = {words, words_size, 0};

		say(&w,
		    "the server's certificate has no subjectAltName, and its common name alone does "
		    "not count; it must name ");
		add(&w, host);
		return false;
	}
	/* All of the list must be well-formed: a name found before broken bytes is no name. */
	while (rest.n) {
		if (!der_next(&rest, &tag, &entry)) {
			text_print(words, words_size,
			    "the names of the server's certificate are malformed");
			return false;
		}
		found |= entry_matches(tag, entry, host, is_ip ? &ip : NULL);
	}
	if (!found)
		explain(c->names, host, words, words_size);
	return found;
}

/* tls_files: every way the three files can be right, and every way they can be wrong. */
#include "tls_world.h"

#include <errno.h>

#include "tls.h"
#include "tls_der.h"
#include "tls_files.h"

static char error[256];

static int load_at(const char *folder, int64_t wall)
{
	struct tls_client t = {0};
	int result = tls_load(&t, in_world(folder), false, wall, error, sizeof(error));

	assert_true((result == 0) == (t.material != NULL));
	assert_true(result == 0 || error[0]);
	tls_unload(&t);
	return result;
}

static void accepts(const char *folder)
{
	if (load_at(folder, wall_now()))
		fail_msg("%s: %s", folder, error);
}

static void refuses(const char *folder, const char *words)
{
	char expected[256];

	if (!load_at(folder, wall_now()))
		fail_msg("%s was accepted", folder);
	snprintf(expected, sizeof(expected), words, in_world(folder));
	assert_string_equal(error, expected);
}

static void takes_keys_of_all_kinds_and_spellings(void **state)
{
	(void)state;
	sh(WORLD_TOOLS
	    "folder sec1 ca client; openssl ec -in client.key -out sec1/key.pem\n"
	    "folder sec1-params ca client\n"
	    "(openssl ecparam -name prime256v1; cat sec1/key.pem) > sec1-params/key.pem\n"
	    "folder pkcs1 ca client-rsa\n"
	    "openssl rsa -in client-rsa.key -traditional -out pkcs1/key.pem\n"
	    "ec P-384 > p384.key; cert p384 ca subjectAltName=DNS:x; folder p384 ca p384\n"
	    "ec P-521 > p521.key; cert p521 ca subjectAltName=DNS:x; folder p521 ca p521\n"
	    "rsa 3071 > odd.key; cert odd ca subjectAltName=DNS:x; folder odd ca odd\n"
	    "folder crlf ca client; sed -i 's/$/\\r/' crlf/*.pem\n"
	    "folder text ca client; openssl x509 -in client.pem -text -out text/cert.pem\n"
	    "folder mixed ca client; cat client.key client.pem > mixed/cert.pem\n");
	accepts("ec");
	accepts("rsa");
	accepts("sec1");
	accepts("sec1-params");
	accepts("pkcs1");
	accepts("p384");
	accepts("p521");
	accepts("odd");
	accepts("crlf");
	accepts("text");
	accepts("mixed");
	accepts("server-only");
}

static void takes_the_names_of_willfarrell(void **state)
{
	struct tls_client t = {0};

	(void)state;
	sh(WORLD_TOOLS
	    "folder wf ca client; cd wf; mv cert.pem client-cert.pem; mv key.pem client-key.pem");
	assert_int_equal(tls_load(&t, in_world("wf"), true, wall_now(), error, sizeof(error)), 0);
	assert_int_equal(t.material->chain_count, 1);
	sh("rm wf/client-key.pem");
	assert_int_equal(tls_load(&t, in_world("wf"), true, wall_now(), error, sizeof(error)), -1);
	assert_non_null(strstr(error, "client-key.pem is missing in /tmp/"));
	assert_null(t.material);
}

static void takes_a_chain_and_several_anchors(void **state)
{
	struct tls_client t = {0};

	(void)state;
	sh(WORLD_TOOLS
	    "cert middle ca basicConstraints=critical,CA:true; cert deep middle subjectAltName=DNS:x\n"
	    "folder chain ca deep; cat deep.pem middle.pem > chain/cert.pem\n"
	    "cat other.pem ca.pem > chain/ca.pem\n"
	    "folder endless ca deep; for i in 1 2 3 4 5 6 7 8; do cat middle.pem; done > many\n"
	    "cat deep.pem many > endless/cert.pem\n");
	assert_int_equal(tls_load(&t, in_world("chain"), false, wall_now(), error, sizeof(error)), 0);
	assert_int_equal(t.material->chain_count, 2);
	assert_int_equal(t.material->anchor_count, 2);
	tls_unload(&t);
	refuses("endless", "cert.pem holds more than 8 certificates");
}

static void passes_over_anchors_it_cannot_use(void **state)
{
	(void)state;
	sh(WORLD_TOOLS
	    "key -algorithm ED25519 > ed.key; ca ed\n"
	    "folder bundle ca client; cat ed.pem ca.pem > bundle/ca.pem; folder ed-only ed client\n");
	accepts("bundle");
	refuses("ed-only",
	    "ca.pem holds an Ed25519 key, which is not supported: use RSA, or EC P-256 or P-384");
}

static void says_what_is_missing(void **state)
{
	(void)state;
	sh(WORLD_TOOLS
	    "folder no-key ca client; rm no-key/key.pem; folder no-cert ca client; rm no-cert/cert.pem\n"
	    "folder no-ca ca client; rm no-ca/ca.pem; mkdir nothing\n");
	refuses("no-key", "key.pem is missing in %s");
	refuses("no-cert", "cert.pem is missing in %s");
	refuses("no-ca", "ca.pem is missing in %s");
	refuses("nothing", "ca.pem is missing in %s");
	refuses("no such folder", "ca.pem is missing in %s");
}

static void says_what_is_no_file_of_ours(void **state)
{
	(void)state;
	sh(WORLD_TOOLS
	    "folder dir ca client; rm dir/key.pem; mkdir dir/key.pem\n"
	    "folder fifo ca client; rm fifo/ca.pem; mkfifo fifo/ca.pem\n"
	    "folder large ca client; head -c 65537 /dev/zero > large/ca.pem\n"
	    "folder empty ca client; : > empty/cert.pem\n"
	    "folder der ca client; openssl x509 -in client.pem -outform der -out der/cert.pem\n"
	    "folder no-key-in-it ca client; cp client.pem no-key-in-it/key.pem\n"
	    "folder bad64 ca client; sed -i '3s/./*/' bad64/key.pem\n"
	    "folder cut ca client; head -n -1 client.pem > cut/cert.pem\n");
	refuses("dir", "key.pem in %s is not a file");
	refuses("fifo", "ca.pem in %s is not a file");
	refuses("large", "ca.pem in %s is larger than 64 KiB");
	refuses("empty", "cert.pem in %s holds no PEM certificate");
	refuses("der", "cert.pem in %s holds no PEM certificate");
	refuses("no-key-in-it", "key.pem in %s holds no PEM private key");
	refuses("bad64", "key.pem is damaged: a block of its PEM is malformed");
	refuses("cut", "cert.pem is damaged: a block of its PEM is malformed");
}

static void says_what_it_may_not_read(void **state)
{
	(void)state;
	sh(WORLD_TOOLS "folder locked ca client; chmod 0 locked/key.pem; chmod 755 . locked");
	if (!geteuid() && seteuid(65534))
		skip();
	refuses("locked", "key.pem in %s cannot be read: Permission denied");
	if (seteuid(getuid()))
		fail();
}

static void says_which_key_is_not_supported(void **state)
{
	(void)state;
	sh(WORLD_TOOLS
	    "key -algorithm ED25519 > edc.key; cert edc ca subjectAltName=DNS:x; folder ed ca edc\n"
	    "folder ed-key ca client; cp edc.key ed-key/key.pem\n"
	    "key -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 > pss.key\n"
	    "folder pss ca client-rsa; cp pss.key pss/key.pem\n"
	    "ec secp256k1 > koblitz.key; folder koblitz ca client; cp koblitz.key koblitz/key.pem\n"
	    "folder locked8 ca client\n"
	    "openssl pkcs8 -topk8 -in client.key -passout pass:x -out locked8/key.pem\n"
	    "folder locked1 ca client-rsa\n"
	    "openssl rsa -in client-rsa.key -aes128 -traditional -passout pass:xxxx -out locked1/key.pem\n"
	    "folder ssh ca client; sed 's/PRIVATE/OPENSSH PRIVATE/' client.key > ssh/key.pem\n");
	refuses("ed",
	    "cert.pem holds an Ed25519 key, which is not supported: use RSA, or EC P-256 or P-384");
	refuses("ed-key",
	    "key.pem holds an Ed25519 key, which is not supported: use RSA, or EC P-256 or P-384");
	refuses("pss",
	    "key.pem holds an RSA-PSS key, which is not supported: use RSA, or EC P-256 or P-384");
	refuses("koblitz",
	    "key.pem holds an EC key on another curve than P-256, P-384 or P-521, which is not supported: "
	    "use RSA, or EC P-256 or P-384");
	refuses("locked8",
	    "key.pem is encrypted with a passphrase, which is not supported: openssl pkey -in key.pem removes it");
	refuses("locked1",
	    "key.pem is encrypted with a passphrase, which is not supported: openssl pkey -in key.pem removes it");
	refuses("ssh", "key.pem is a key of OpenSSH or DSA, which is not supported");
}

static void finds_a_key_that_belongs_to_another(void **state)
{
	(void)state;
	sh(WORLD_TOOLS
	    "folder mix1 ca client; cp client-rsa.key mix1/key.pem; folder mix2 ca client-rsa; cp client.key mix2/key.pem\n"
	    "folder mix3 ca client; ec > mix3/key.pem; folder mix4 ca client-rsa; rsa > mix4/key.pem\n"
	    "folder mix5 ca client; ec P-384 > mix5/key.pem\n");
	refuses("mix1", "key.pem does not belong to cert.pem");
	refuses("mix2", "key.pem does not belong to cert.pem");
	refuses("mix3", "key.pem does not belong to cert.pem");
	refuses("mix4", "key.pem does not belong to cert.pem");
	refuses("mix5", "key.pem does not belong to cert.pem");
}

static void looks_at_the_clock(void **state)
{
	int64_t now = wall_now();

	(void)state;
	assert_int_equal(load_at("ec", now + 364 * DAY), 0);
	assert_int_equal(load_at("ec", now + 366 * DAY), -1);
	assert_non_null(strstr(error, "cert.pem expired on 20"));
	assert_int_equal(strlen(error), strlen("cert.pem expired on 2026-01-02"));
	assert_int_equal(load_at("ec", now + 3651 * DAY), -1);
	assert_non_null(strstr(error, "ca.pem expired on 20"));
	assert_int_equal(load_at("ec", now - 2 * DAY), -1);
	assert_non_null(strstr(error, "ca.pem is not valid before 20"));
	assert_int_equal(load_at("ec", 0), -1);
	/* The last second counts: [notBefore, notAfter], RFC 5280 4.1.2.5. */
	sh(WORLD_TOOLS
	    "cert brief ca subjectAltName=DNS:x; folder brief ca brief; openssl x509 -in brief.pem -enddate "
	    "-noout | sed 's/.*=//' > end; date -u -d \"$(cat end)\" +%s > seconds");
	size_t n;
	char *text = read_whole(in_world("seconds"), &n);
	int64_t end;

	text[n] = 0;
	end = atoll(text) * 1000;
	free(text);
	assert_int_equal(load_at("brief", end), 0);
	assert_int_equal(load_at("brief", end + 999), 0);
	assert_int_equal(load_at("brief", end + 1000), -1);
}

/* Whatever became of a file, it is refused or read, and nothing outside of it is touched. */
static void survives_every_cut_and_flip(void **state)
{
	static const char *const files[] = {"fuzz/ca.pem", "fuzz/cert.pem", "fuzz/key.pem"};
	size_t f, i, n;

	(void)state;
	for (f = 0; f < 6; f++) {
		sh(f < 3 ? WORLD_TOOLS "folder fuzz ca client"
			 : WORLD_TOOLS "folder fuzz ca client-rsa");
		char *bytes = read_whole(in_world(files[f % 3]), &n);

		for (i = 0; i < n; i++) {
			char kept = bytes[i];

			write_whole(in_world(files[f % 3]), bytes, i);
			load_at("fuzz", wall_now());
			bytes[i] = kept == 'A' ? 'z' : 'A';
			write_whole(in_world(files[f % 3]), bytes, n);
			load_at("fuzz", wall_now());
			bytes[i] = kept;
		}
		free(bytes);
	}
}

/* ---- the reader beneath ------------------------------------------------------------------------- */

static void reads_no_certificate_that_is_cut_or_longer(void **state)
{
	struct tls_certificate c;
	size_t n, i;

	(void)state;
	sh("openssl x509 -in client-rsa.pem -outform der -out client.der");
	char *der = read_whole(in_world("client.der"), &n);

	assert_true(tls_certificate_read(&c, (struct span){der, n}));
	assert_int_equal(c.key_kind, TLS_RSA);
	assert_int_equal(c.key.key.rsa.nlen, 256);
	assert_null(c.names.p);
	assert_non_null(c.purposes.p);
	assert_false(tls_certificate_read(&c, (struct span){der, n + 1}));
	for (i = 0; i < n; i++) {
		/* A copy of its exact size, so that the sanitizer sees one byte too far. */
		char *cut = malloc(i ? i : 1);

		memcpy(cut, der, i);
		assert_false(tls_certificate_read(&c, (struct span){cut, i}));
		free(cut);
	}
	for (i = 0; i < n * 255; i++) {
		char *changed = malloc(n);

		memcpy(changed, der, n);
		changed[i % n] = (char)(changed[i % n] + 1 + (char)(i / n));
		tls_certificate_read(&c, (struct span){changed, n});
		free(changed);
		if (i > 4 * n)
			i += 37; /* the first four values everywhere, then a sample */
	}
	free(der);
}

static void reads_pem_blocks(void **state)
{
	char text[] =
	    "noise\n-----BEGIN A-----\nAQID\n-----END A-----\n-----BEGIN B C-----\r\nAQI=\r\n-----END B C-----";
	char wrong[] = "-----BEGIN A-----\nAQID\n-----END B-----\n";
	char padded[] = "-----BEGIN A-----\n=AAA\n-----END A-----\n";
	char nothing[] = "-----BEGIN A-----\n-----END A-----\n";
	struct span rest = {text, sizeof(text) - 1}, label, der;
	bool encrypted;

	(void)state;
	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), 1);
	assert_true(span_is(label, "A"));
	assert_int_equal(der.n, 3);
	assert_memory_equal(der.p, "\1\2\3", 3);
	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), 1);
	assert_true(span_is(label, "B C"));
	assert_int_equal(der.n, 2);
	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), 0);
	rest = (struct span){wrong, sizeof(wrong) - 1};
	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), -1);
	rest = (struct span){padded, sizeof(padded) - 1};
	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), -1);
	rest = (struct span){nothing, sizeof(nothing) - 1};
	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), -1);
}

/* How many authorities of the name that NAME.pem bears are found in the file. */
static size_t found_in(const char *bundle, const char *pem, int64_t wall)
{
	size_t n;
	char *text = read_whole(in_world(pem), &n);
	struct span rest = {text, n}, label, der;
	struct tls_certificate c;
	struct tls_found found;
	bool encrypted;

	assert_int_equal(tls_pem_next(&rest, &label, &der, &encrypted), 1);
	assert_true(tls_certificate_read(&c, der));
	assert_int_equal(tls_bundle_find(in_world(bundle), c.subject, wall, &found), 0);
	n = found.count;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(found.anchors[i].dn.len, c.subject.n);
		assert_memory_equal(found.anchors[i].dn.data, c.subject.p, c.subject.n);
		assert_true(found.anchors[i].pkey.key_type);
	}
	tls_found_free(&found);
	free(text);
	return n;
}

static void finds_authorities_in_a_bundle(void **state)
{
	struct tls_found found;

	(void)state;
	sh(WORLD_TOOLS
	    "for i in $(seq 60); do cat other.pem; done > fill.txt\n"
	    "cat fill.txt ca.pem fill.txt > plain.bundle\n"
	    "(cat fill.txt; openssl x509 -in ca.pem -text) > text.bundle\n"
	    "sed 's/$/\\r/' plain.bundle > crlf.bundle\n"
	    "(cat fill.txt; printf %s \"$(cat ca.pem)\") > end.bundle\n"
	    "(cat fill.txt client.key ca.pem) > key.bundle\n"
	    "(echo '-----BEGIN CERTIFICATE-----'; head -c 30000 /dev/zero | tr '\\0' A; echo; echo '-----END CERTIFICATE-----'\n"
	    " cat ca.pem) > long.bundle\n"
	    "(echo '-----BEGIN CERTIFICATE-----'; echo 'no base64!'; echo '-----END CERTIFICATE-----'; cat ca.pem) > bad.bundle\n"
	    "openssl x509 -in ca.pem -outform DER | head -c 300 | openssl base64 > cut.txt\n"
	    "(echo '-----BEGIN CERTIFICATE-----'; cat cut.txt; echo '-----END CERTIFICATE-----'; cat ca.pem) > cut.bundle\n"
	    "cat ca.pem ca.pem > two.bundle; for i in 1 2 3 4 5 6; do cat ca.pem; done > six.bundle; : > empty.bundle\n"
	    "head -c 100000 /dev/urandom > noise.bundle\n");
	for (const char *const *one = (const char *const[]){"plain", "text", "crlf", "end", "key",
		 "long", "bad", "cut", NULL};
	     *one; one++) {
		char name[32];

		snprintf(name, sizeof(name), "%s.bundle", *one);
		if (found_in(name, "ca.pem", wall_now()) != 1)
			fail_msg("not found in %s", name);
	}
	assert_int_equal(found_in("two.bundle", "ca.pem", wall_now()), 2);
	assert_int_equal(found_in("six.bundle", "ca.pem", wall_now()), TLS_FOUND_MAX);
	assert_int_equal(found_in("empty.bundle", "ca.pem", wall_now()), 0);
	assert_int_equal(found_in("noise.bundle", "ca.pem", wall_now()), 0);
	assert_int_equal(found_in("two.bundle", "other.pem", wall_now()), 0);
	/* out of its time it is none */
	assert_int_equal(found_in("two.bundle", "ca.pem", wall_now() + 100ll * 366 * 86400000), 0);
	assert_int_equal(found_in("two.bundle", "ca.pem", 0), 0);
	assert_int_equal(tls_bundle_find("/nowhere.pem", (struct span){"", 0}, 0, &found), -ENOENT);
	assert_int_equal(tls_bundle_find("/", (struct span){"", 0}, 0, &found), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_keys_of_all_kinds_and_spellings),
	    cmocka_unit_test(takes_the_names_of_willfarrell),
	    cmocka_unit_test(takes_a_chain_and_several_anchors),
	    cmocka_unit_test(passes_over_anchors_it_cannot_use),
	    cmocka_unit_test(says_what_is_missing),
	    cmocka_unit_test(says_what_is_no_file_of_ours),
	    cmocka_unit_test(says_what_it_may_not_read),
	    cmocka_unit_test(says_which_key_is_not_supported),
	    cmocka_unit_test(finds_a_key_that_belongs_to_another),
	    cmocka_unit_test(looks_at_the_clock),
	    cmocka_unit_test(survives_every_cut_and_flip),
	    cmocka_unit_test(reads_no_certificate_that_is_cut_or_longer),
	    cmocka_unit_test(reads_pem_blocks),
	    cmocka_unit_test(finds_authorities_in_a_bundle),
	};

	return cmocka_run_group_tests(tests, make_world, remove_world);
}

/* BearSSL as tools/fetch-bearssl.sh brings it: built, linked and right, before TLS rests on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <bearssl.h>

static void sha256_known_vectors(void **state)
{
	/* FIPS 180-4, examples of NIST: the empty message and "abc". */
	static const uint8_t of_nothing[32] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a,
	    0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93,
	    0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
	static const uint8_t of_abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41,
	    0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a,
	    0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	br_sha256_context sha;
	uint8_t out[32];

	(void)state;
	br_sha256_init(&sha);
	br_sha256_out(&sha, out);
	assert_memory_equal(out, of_nothing, 32);
	br_sha256_update(&sha, "a", 1);
	br_sha256_update(&sha, "bc", 2);
	br_sha256_out(&sha, out);
	assert_memory_equal(out, of_abc, 32);
}

static void p256_signs_and_verifies(void **state)
{
	const br_ec_impl *ec = br_ec_get_default();
	br_ecdsa_sign sign = br_ecdsa_sign_asn1_get_default();
	br_ecdsa_vrfy verify = br_ecdsa_vrfy_asn1_get_default();
	br_hmac_drbg_context random;
	br_ec_private_key secret;
	br_ec_public_key public;
	uint8_t secret_bytes[BR_EC_KBUF_PRIV_MAX_SIZE], public_bytes[BR_EC_KBUF_PUB_MAX_SIZE];
	uint8_t hash[32], signature[80];
	size_t n;

	(void)state;
	br_hmac_drbg_init(&random, &br_sha256_vtable, "a fixed seed", 12);
	assert_int_equal(
	    br_ec_keygen(&random.vtable, ec, &secret, secret_bytes, BR_EC_secp256r1), 32);
	assert_int_equal(br_ec_compute_pub(ec, &public, public_bytes, &secret), 65);

	memset(hash, 0x5a, sizeof hash);
	n = sign(ec, &br_sha256_vtable, hash, &secret, signature);
	assert_in_range(n, 60, 72);
	assert_int_equal(verify(ec, hash, sizeof hash, &public, signature, n), 1);

	hash[31] ^= 1;
	assert_int_equal(verify(ec, hash, sizeof hash, &public, signature, n), 0);
	hash[31] ^= 1;
	signature[n - 1] ^= 1;
	assert_int_equal(verify(ec, hash, sizeof hash, &public, signature, n), 0);
}

static void aes_gcm_opens_what_it_sealed(void **state)
{
	/* The cipher of TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, with the implementations a client gets. */
	br_aes_ct64_ctr_keys keys;
	br_gcm_context gcm;
	uint8_t text[21], tag[16];

	(void)state;
	memcpy(text, "a heal nobody waited", sizeof text);
	br_aes_ct64_ctr_init(&keys, "0123456789abcdef", 16);
	br_gcm_init(&gcm, &keys.vtable, br_ghash_ctmul64);
	br_gcm_reset(&gcm, "twelve bytes", 12);
	br_gcm_flip(&gcm);
	br_gcm_run(&gcm, 1, text, sizeof text);
	br_gcm_get_tag(&gcm, tag);
	assert_memory_not_equal(text, "a heal nobody waited", sizeof text);

	br_gcm_reset(&gcm, "twelve bytes", 12);
	br_gcm_flip(&gcm);
	br_gcm_run(&gcm, 0, text, sizeof text);
	assert_int_equal(br_gcm_check_tag(&gcm, tag), 1);
	assert_memory_equal(text, "a heal nobody waited", sizeof text);
	tag[0] ^= 1;
	assert_int_equal(br_gcm_check_tag(&gcm, tag), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sha256_known_vectors),
	    cmocka_unit_test(p256_signs_and_verifies),
	    cmocka_unit_test(aes_gcm_opens_what_it_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Signs each attempt for itself: HMAC-SHA256 of its date and body, as payment and storage services want it.
 *
 *     sign URL KEY [SECONDS]        (SECONDS since 1970 in place of the clock, for tests)
 *
 * A signature must be as young as its attempt: a retry that carried the first one's date would be refused by a
 * server that takes none older than some seconds. So it is made in the on_request hook, which runs before each
 * attempt, may read all of it, and sets headers for this attempt only.
 */
#define _POSIX_C_SOURCE 200809L
#include <ahoy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* SHA-256 (FIPS 180-4), in full so that the example needs nothing else. A program that has OpenSSL takes HMAC(3). */
struct sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
};

static uint32_t turned(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void sha256_block(struct sha256 *sha) {
    static const uint32_t round[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = sha->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(v, sha->state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t one = v[7] + (turned(v[4], 6) ^ turned(v[4], 11) ^ turned(v[4], 25)) +
                       ((v[4] & v[5]) ^ (~v[4] & v[6])) + round[i] + w[i];
        uint32_t two = (turned(v[0], 2) ^ turned(v[0], 13) ^ turned(v[0], 22)) +
                       ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) sha->state[i] += v[i];
}

static void sha256_begin(struct sha256 *sha) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, start, sizeof start);
    sha->length = 0;
}

static void sha256_add(struct sha256 *sha, const void *bytes, size_t length) {
    const uint8_t *from = bytes;
    for (size_t i = 0; i < length; i++) {
        sha->block[sha->length++ % 64] = from[i];
        if (sha->length % 64 == 0) sha256_block(sha);
    }
}

static void sha256_end(struct sha256 *sha, uint8_t digest[32]) {
    uint64_t bits = sha->length * 8;
    sha256_add(sha, "\x80", 1);
    while (sha->length % 64 != 56) sha256_add(sha, "", 1);
    for (int i = 7; i >= 0; i--) sha256_add(sha, &(uint8_t){(uint8_t)(bits >> 8 * i)}, 1);
    for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* HMAC (RFC 2104) of "DATE\nBODY", in hexadecimal digits. A longer key than 64 bytes would have to be hashed. */
static void sign(const char *key, const char *date, const uint8_t *body, size_t length, char text[65]) {
    uint8_t inner[64] = {0}, outer[64], digest[32];
    struct sha256 sha;
    memcpy(inner, key, strnlen(key, sizeof inner));
    for (int i = 0; i < 64; i++) outer[i] = inner[i] ^ 0x5c, inner[i] ^= 0x36;
    sha256_begin(&sha);
    sha256_add(&sha, inner, sizeof inner);
    sha256_add(&sha, date, strlen(date));
    sha256_add(&sha, "\n", 1);
    sha256_add(&sha, body, length);
    sha256_end(&sha, digest);
    sha256_begin(&sha);
    sha256_add(&sha, outer, sizeof outer);
    sha256_add(&sha, digest, sizeof digest);
    sha256_end(&sha, digest);
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

struct signer {
    const char *key;
    time_t fixed; /* 0 for the clock */
};

/* Before each attempt. A status other than AHOY_OK ends the call. */
static ahoy_status before_attempt(void *user_data, ahoy_request *request) {
    const struct signer *signer = user_data;
    size_t length, number = ahoy_request_attempt_number(request);
    const uint8_t *body = ahoy_request_body(request, &length);
    time_t now = signer->fixed ? signer->fixed + (time_t)number : time(NULL);
    char date[32], signature[65];
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    sign(signer->key, date, body, length, signature);
    printf("attempt %zu of %s to %s: %s %s\n", number, (const char *)ahoy_request_user_data(request),
           ahoy_request_endpoint_url(request), date, signature);
    ahoy_status status = ahoy_request_set_header(request, "X-Date", date, NULL);
    if (!status) status = ahoy_request_set_header(request, "X-Signature", signature, NULL);
    return status;
}

static ahoy_status pay(const char *url, struct signer *signer, ahoy_response **response, ahoy_error **err) {
    static const char body[] = "{\"amount\": 30}";
    static char name[] = "order 7";
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client = NULL;
    ahoy_request *request = NULL;
    ahoy_status status = ahoy_client_builder_set_base_url(builder, url, err);
    if (!status) status = ahoy_client_builder_on_request(builder, before_attempt, signer, NULL, err);
    if (!status) status = ahoy_client_builder_build(builder, &client, err);
    if (!status) status = ahoy_request_new("POST", "/payments", &request, err);
    if (!status) status = ahoy_request_set_body(request, (const uint8_t *)body, strlen(body), err);
    /* The server does the work once, however many attempts it sees: so a POST may be repeated. */
    if (!status) status = ahoy_request_set_idempotency_key(request, NULL, "7", err);
    if (!status) status = ahoy_request_set_user_data(request, name, NULL, err);
    if (!status) status = ahoy_client_send(client, request, response, err);
    ahoy_request_free(request);
    ahoy_client_free(client);
    ahoy_client_builder_free(builder);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: %s URL KEY [SECONDS]\n", argv[0]);
        return 2;
    }
    struct signer signer = {argv[2], argc == 4 ? (time_t)strtoll(argv[3], NULL, 10) : 0};
    ahoy_response *response = NULL;
    ahoy_error *err = NULL;
    ahoy_status status = pay(argv[1], &signer, &response, &err);
    if (status)
        fprintf(stderr, "%s\n", ahoy_error_message(err));
    else
        printf("%d %s", (int)ahoy_response_status(response), (const char *)ahoy_response_body(response, NULL));
    ahoy_response_free(response);
    ahoy_error_free(err);
    return status != AHOY_OK;
}

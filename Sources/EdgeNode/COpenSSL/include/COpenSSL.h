// OpenSSL 3 as the edge uses it: the library's macros as functions, and a BIO over two plain buffers.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

// What OpenSSL reads from and writes to. Both buffers belong to the event loop and are lent for one turn, so that a
// turn takes one recv of many records and one send of many records, whatever OpenSSL does between.
typedef struct {
  const uint8_t *input;
  size_t input_count;
  uint8_t *output;
  size_t output_count;
  size_t output_capacity;
  // OpenSSL has asked for input since this was last cleared, and there was none.
  int starved;
} strait_tls_buffers;

// A BIO over the buffers, which must outlive it. NULL when out of memory.
BIO *strait_bio_new(strait_tls_buffers *buffers);

// SSL_CTX_* and SSL_* that are macros.
static inline long strait_ssl_ctx_set_min_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}
static inline long strait_ssl_ctx_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
// Has SSL_read return after a message of TLS itself, such as a KeyUpdate, and not read on by itself.
static inline long strait_ssl_ctx_return_after_messages(SSL_CTX *context) {
  return SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
}
static inline int strait_ssl_ctx_set_groups(SSL_CTX *context, const char *names) {
  return SSL_CTX_set1_groups_list(context, names);
}
static inline long strait_ssl_set_server_name(SSL *ssl, const char *name) { return SSL_set_tlsext_host_name(ssl, name); }

// A mask of the options that a server of ours always sets.
static inline uint64_t strait_ssl_server_options(void) {
  return SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_SSLv3 |
         SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_IGNORE_UNEXPECTED_EOF;
}

// Adds every certificate of a PEM text to the context's trust. Returns how many, or -1.
int strait_ssl_ctx_trust_pem(SSL_CTX *context, const char *pem, int count);

// Makes the server choose h2, then http/1.1, and refuse a client that offers neither.
void strait_ssl_ctx_select_alpn(SSL_CTX *context);

// The context that has the certificate for a name, or NULL to keep the one that there is.
typedef SSL_CTX *(*strait_name_chooser)(const void *owner, const char *name);

// Has `choose` pick the certificate by the name that a client asks for. `owner` must outlive every handshake.
void strait_ssl_ctx_choose_by_name(SSL_CTX *context, strait_name_chooser choose, const void *owner);

// Calls `found` with each DNS name of the context's certificate.
void strait_ssl_ctx_each_dns_name(SSL_CTX *context, void (*found)(void *owner, const char *name, size_t count),
                                  void *owner);

// What seals and opens session tickets: AES-256-CBC and HMAC-SHA-256, found by the name in the ticket.
typedef struct {
  uint8_t name[16];
  uint8_t cipher_key[32];
  uint8_t mac_key[32];
} strait_ticket_key;

// Puts the key of that name into `key`, or the one for new tickets where `name` is NULL. 0 when there is none.
typedef int (*strait_ticket_lookup)(const void *owner, const uint8_t *name, strait_ticket_key *key);

// One ticket in each TLS 1.3 handshake, none in TLS 1.2, where a ticket's key could open all that was said. Nothing is
// kept of sessions in memory. `owner` must outlive every handshake.
void strait_ssl_ctx_set_tickets(SSL_CTX *context, strait_ticket_lookup lookup, const void *owner);

// The key of a day, by HKDF-SHA-256 from the secret. 0 on failure.
int strait_derive_ticket_key(const uint8_t *secret, size_t count, int64_t day, strait_ticket_key *key);

// SHA-256 of at most a few hundred bytes, without the allocation of an EVP context.
void strait_sha256(const void *bytes, size_t count, uint8_t digest[32]);

#define OPENSSL_SUPPRESS_DEPRECATED
#include "COpenSSL.h"

#include "Allocation.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <string.h>

static int buffers_read(BIO *bio, char *into, int wanted) {
  strait_tls_buffers *buffers = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (buffers->input_count == 0) {
    buffers->starved = 1;
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t count = (size_t)wanted < buffers->input_count ? (size_t)wanted : buffers->input_count;
  memcpy(into, buffers->input, count);
  strait_note_received(into, count);
  buffers->input += count;
  buffers->input_count -= count;
  return (int)count;
}

static int buffers_write(BIO *bio, const char *from, int offered) {
  strait_tls_buffers *buffers = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  size_t room = buffers->output_capacity - buffers->output_count;
  if (room == 0) {
    BIO_set_retry_write(bio);
    return -1;
  }
  size_t count = (size_t)offered < room ? (size_t)offered : room;
  memcpy(buffers->output + buffers->output_count, from, count);
  buffers->output_count += count;
  return (int)count;
}

static long buffers_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  // OpenSSL takes any other answer to a flush for a failure of the connection.
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *method;
static EVP_CIPHER *ticket_cipher;
static int name_choice_index;
static int ticket_choice_index;

static void free_choice(void *parent, void *choice, CRYPTO_EX_DATA *data, int index, long number, void *pointer) {
  (void)parent, (void)data, (void)index, (void)number, (void)pointer;
  OPENSSL_free(choice);
}

// What is looked up once and not in every handshake.
__attribute__((constructor)) static void prepare(void) {
  strait_use_own_allocation();
  ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
  name_choice_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_choice);
  ticket_choice_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_choice);
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "strait buffers");
  if (method == NULL) return;
  BIO_meth_set_read(method, buffers_read);
  BIO_meth_set_write(method, buffers_write);
  BIO_meth_set_ctrl(method, buffers_control);
}

BIO *strait_bio_new(strait_tls_buffers *buffers) {
  BIO *bio = method == NULL ? NULL : BIO_new(method);
  if (bio == NULL) return NULL;
  BIO_set_data(bio, buffers);
  BIO_set_init(bio, 1);
  return bio;
}

int strait_ssl_ctx_trust_pem(SSL_CTX *context, const char *pem, int count) {
  BIO *source = BIO_new_mem_buf(pem, count);
  if (source == NULL) return -1;
  X509_STORE *store = SSL_CTX_get_cert_store(context);
  int added = 0;
  X509 *certificate;
  while ((certificate = PEM_read_bio_X509(source, NULL, NULL, NULL)) != NULL) {
    if (X509_STORE_add_cert(store, certificate) == 1) added += 1;
    X509_free(certificate);
  }
  // The end of the text is reported as an error; the queue must be empty before the next SSL call.
  ERR_clear_error();
  BIO_free(source);
  return added;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_count, const unsigned char *in,
                       unsigned int in_count, void *unused) {
  static const unsigned char ours[] = "\x02h2\x08http/1.1";
  (void)ssl;
  (void)unused;
  int found = SSL_select_next_proto((unsigned char **)out, out_count, ours, sizeof(ours) - 1, in, in_count);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void strait_ssl_ctx_select_alpn(SSL_CTX *context) { SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL); }

void strait_sha256(const void *bytes, size_t count, uint8_t digest[32]) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes, count);
  SHA256_Final(digest, &context);
  OPENSSL_cleanse(&context, sizeof(context));
}

// MARK: Certificates by name

typedef struct {
  strait_name_chooser choose;
  const void *owner;
} name_choice;

static int choose_by_name(SSL *ssl, int *alert, void *argument) {
  (void)alert;
  (void)argument;
  const name_choice *choice = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), name_choice_index);
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (choice == NULL || name == NULL) return SSL_TLSEXT_ERR_OK;
  SSL_CTX *chosen = choice->choose(choice->owner, name);
  if (chosen != NULL) SSL_set_SSL_CTX(ssl, chosen);
  return SSL_TLSEXT_ERR_OK;
}

void strait_ssl_ctx_choose_by_name(SSL_CTX *context, strait_name_chooser choose, const void *owner) {
  name_choice *choice = OPENSSL_malloc(sizeof(*choice));
  if (choice == NULL) return;
  *choice = (name_choice){choose, owner};
  SSL_CTX_set_ex_data(context, name_choice_index, choice);
  SSL_CTX_set_tlsext_servername_callback(context, choose_by_name);
}

void strait_ssl_ctx_each_dns_name(SSL_CTX *context, void (*found)(void *owner, const char *name, size_t count),
                                  void *owner) {
  X509 *certificate = SSL_CTX_get0_certificate(context);
  if (certificate == NULL) return;
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int index = 0; index < sk_GENERAL_NAME_num(names); index += 1) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type != GEN_DNS) continue;
    found(owner, (const char *)ASN1_STRING_get0_data(name->d.dNSName), (size_t)ASN1_STRING_length(name->d.dNSName));
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
}

// MARK: Tickets

typedef struct {
  strait_ticket_lookup lookup;
  const void *owner;
} ticket_choice;

static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int seals) {
  const ticket_choice *choice = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ticket_choice_index);
  strait_ticket_key key;
  if (choice == NULL || SSL_version(ssl) < TLS1_3_VERSION) return 0;
  if (choice->lookup(choice->owner, seals ? NULL : name, &key) == 0) return 0;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac_key, sizeof(key.mac_key)),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_end(),
  };
  int result = -1;
  if (seals) {
    memcpy(name, key.name, sizeof(key.name));
    if (RAND_bytes(iv, 16) == 1 && EVP_EncryptInit_ex2(cipher, ticket_cipher, key.cipher_key, iv, NULL) == 1) result = 1;
  } else if (EVP_DecryptInit_ex2(cipher, ticket_cipher, key.cipher_key, iv, NULL) == 1) {
    result = 1;
  }
  if (result == 1 && EVP_MAC_CTX_set_params(mac, parameters) != 1) result = -1;
  OPENSSL_cleanse(&key, sizeof(key));
  return result;
}

void strait_ssl_ctx_set_tickets(SSL_CTX *context, strait_ticket_lookup lookup, const void *owner) {
  ticket_choice *choice = OPENSSL_malloc(sizeof(*choice));
  if (choice == NULL) return;
  *choice = (ticket_choice){lookup, owner};
  SSL_CTX_set_ex_data(context, ticket_choice_index, choice);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, 86400);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

int strait_derive_ticket_key(const uint8_t *secret, size_t count, int64_t day, strait_ticket_key *key) {
  char label[64];
  int label_count = snprintf(label, sizeof(label), "strait session tickets, day %lld", (long long)day);
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *derivation = EVP_KDF_CTX_new(kdf);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, count),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label, (size_t)label_count),
      OSSL_PARAM_construct_end(),
  };
  int derived =
      derivation == NULL ? 0 : EVP_KDF_derive(derivation, (unsigned char *)key, sizeof(*key), parameters);
  EVP_KDF_CTX_free(derivation);
  EVP_KDF_free(kdf);
  return derived == 1;
}

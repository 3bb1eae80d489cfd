// SHA256_CTX is a plain value (no heap, no provider lookup per hash); OpenSSL 3 marks the functions
// on it deprecated, which Swift would report as warnings.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

// Events by libpq alone: for each transaction the de-duplication keys with ON CONFLICT DO NOTHING
// RETURNING, then the rows, both as unnest of binary arrays in prepared statements. The values are
// made beforehand; there is no HTTP, no JSON to check, nobody to look up and no last_seen.
//
//   unnest_ceiling CONNINFO CONNECTIONS ROWS SECONDS [TOTAL]
//
// Prints: rows, seconds, p50 and p99 of a transaction in ms, CPU seconds. TOTAL ends it earlier.
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { UUID = 2950, TEXT = 25, TIMESTAMPTZ = 1184, JSONB = 3802 };
enum { UUIDS = 2951, TEXTS = 1009, TIMESTAMPTZS = 1185, JSONBS = 3807 };

static const char *conninfo;
static int rows;
static double seconds;
static long total;
static unsigned char (*users)[16];
static int user_count;
static atomic_long done;
static long month_ago;

struct buffer { char *bytes; size_t used, room; };
struct worker {
  pthread_t thread;
  int number;
  uint64_t state;
  double *times;
  size_t count, room;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

static void put(struct buffer *b, const void *bytes, size_t count) {
  if (b->used + count > b->room) {
    b->room = (b->used + count) * 2;
    b->bytes = realloc(b->bytes, b->room);
  }
  memcpy(b->bytes + b->used, bytes, count);
  b->used += count;
}

static void put32(struct buffer *b, uint32_t value) {
  value = htonl(value);
  put(b, &value, 4);
}

static void array(struct buffer *b, uint32_t type) {
  b->used = 0;
  put32(b, 1);
  put32(b, 0);
  put32(b, type);
  put32(b, rows);
  put32(b, 1);
}

static void element(struct buffer *b, const void *bytes, uint32_t count) {
  put32(b, count);
  put(b, bytes, count);
}

static void check(PGconn *c, PGresult *r, ExecStatusType wanted) {
  if (PQresultStatus(r) != wanted) {
    fprintf(stderr, "%s", PQerrorMessage(c));
    exit(1);
  }
  PQclear(r);
}

static int order16(const void *a, const void *b) { return memcmp(a, b, 16); }
static int order_double(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void *work(void *argument) {
  struct worker *w = argument;
  PGconn *c = PQconnectdb(conninfo);
  if (PQstatus(c) != CONNECTION_OK) {
    fprintf(stderr, "%s", PQerrorMessage(c));
    exit(1);
  }
  Oid key_types[] = {UUIDS};
  check(c, PQprepare(c, "keys",
    "INSERT INTO event_keys (key, seen_on) SELECT key, current_date FROM unnest($1) AS key "
    "ON CONFLICT (key) DO NOTHING RETURNING key", 1, key_types), PGRES_COMMAND_OK);
  Oid event_types[] = {UUIDS, TEXTS, TIMESTAMPTZS, UUIDS, JSONBS, TEXTS, TEXTS, TIMESTAMPTZS};
  check(c, PQprepare(c, "events",
    "INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at) "
    "SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)", 8, event_types), PGRES_COMMAND_OK);
  struct buffer keys = {0}, a[8] = {{0}};
  unsigned char(*ids)[16] = malloc(16 * rows), (*owners)[16] = malloc(16 * rows);
  double end = now() + seconds;
  while (now() < end && (!total || atomic_load(&done) < total)) {
    for (int i = 0; i < rows; i++) {
      uint64_t bits[2] = {next(&w->state), next(&w->state)};
      memcpy(ids[i], bits, 16);
      memcpy(owners[i], users[next(&w->state) % user_count], 16);
    }
    qsort(ids, rows, 16, order16);
    qsort(owners, rows, 16, order16);
    uint32_t types[] = {UUID, TEXT, TIMESTAMPTZ, UUID, JSONB, TEXT, TEXT, TIMESTAMPTZ};
    array(&keys, UUID);
    for (int k = 0; k < 8; k++) array(&a[k], types[k]);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t micros = (t.tv_sec - 946684800ll) * 1000000 + t.tv_nsec / 1000;
    int64_t received = htobe64(micros);
    for (int i = 0; i < rows; i++) {
      char text[128];
      int length;
      int64_t at = micros;
      if (total) at -= (int64_t)(next(&w->state) % (uint64_t)month_ago) * 1000000;
      at = htobe64(at);
      element(&keys, ids[i], 16);
      element(&a[0], owners[i], 16);
      element(&a[1], "order_paid", 10);
      element(&a[2], &at, 8);
      element(&a[3], ids[i], 16);
      text[0] = 1;
      length = 1 + snprintf(text + 1, sizeof text - 1,
        "{\"order_id\":\"o-%u\",\"amount\":128.5,\"currency\":\"CNY\"}", (unsigned)w->state);
      element(&a[4], text, length);
      element(&a[5], "api", 3);
      length = snprintf(text, sizeof text, "%d-%llu", w->number, (unsigned long long)w->state + i);
      element(&a[6], text, length);
      element(&a[7], &received, 8);
    }
    const char *values[8];
    int lengths[8], formats[8];
    for (int k = 0; k < 8; k++) {
      values[k] = a[k].bytes;
      lengths[k] = a[k].used;
      formats[k] = 1;
    }
    const char *key_value = keys.bytes;
    int key_length = keys.used, one = 1;
    double start = now();
    check(c, PQexec(c, "BEGIN"), PGRES_COMMAND_OK);
    check(c, PQexecPrepared(c, "keys", 1, &key_value, &key_length, &one, 1), PGRES_TUPLES_OK);
    check(c, PQexecPrepared(c, "events", 8, values, lengths, formats, 1), PGRES_COMMAND_OK);
    check(c, PQexec(c, "COMMIT"), PGRES_COMMAND_OK);
    if (w->count == w->room) {
      w->room = w->room ? w->room * 2 : 1024;
      w->times = realloc(w->times, w->room * sizeof(double));
    }
    w->times[w->count++] = now() - start;
    atomic_fetch_add(&done, rows);
  }
  PQfinish(c);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  conninfo = argv[1];
  int connections = atoi(argv[2]);
  rows = atoi(argv[3]);
  seconds = atof(argv[4]);
  total = argc > 5 ? atol(argv[5]) : 0;
  // Filled tables hold history of the last four weeks.
  month_ago = 28 * 86400;
  PGconn *c = PQconnectdb(conninfo);
  PGresult *r = PQexecParams(c, "SELECT id FROM users", 0, NULL, NULL, NULL, NULL, 1);
  if (PQresultStatus(r) != PGRES_TUPLES_OK) {
    fprintf(stderr, "%s", PQerrorMessage(c));
    return 1;
  }
  user_count = PQntuples(r);
  users = malloc(16 * (size_t)user_count);
  for (int i = 0; i < user_count; i++) memcpy(users[i], PQgetvalue(r, i, 0), 16);
  PQclear(r);
  PQfinish(c);
  struct worker *workers = calloc(connections, sizeof *workers);
  double start = now();
  for (int i = 0; i < connections; i++) {
    workers[i].number = i;
    workers[i].state = (uint64_t)time(NULL) * 1000003 + i * 7919;
    pthread_create(&workers[i].thread, NULL, work, &workers[i]);
  }
  size_t count = 0;
  for (int i = 0; i < connections; i++) {
    pthread_join(workers[i].thread, NULL);
    count += workers[i].count;
  }
  double took = now() - start;
  double *times = malloc(count * sizeof(double));
  size_t at = 0;
  for (int i = 0; i < connections; i++) {
    memcpy(times + at, workers[i].times, workers[i].count * sizeof(double));
    at += workers[i].count;
  }
  qsort(times, count, sizeof(double), order_double);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec
    + usage.ru_stime.tv_usec / 1e6;
  printf("%ld %.3f %.3f %.3f %.3f\n", atomic_load(&done), took, 1e3 * times[count / 2],
    1e3 * times[count * 99 / 100], cpu);
  return 0;
}

// The ceiling of dispatch: libcurl's multi interface, one thread, a fixed number of POSTs in
// flight, bodies and headers as the `http` adapter sends them, answers read and thrown away.
// Usage: curl_ceiling URL REQUESTS IN_FLIGHT; prints requests a second.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t drop(char *data, size_t size, size_t count, void *context) {
  (void)data;
  (void)context;
  return size * count;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long total = atol(argv[2]), flight = atol(argv[3]), begun = 0, done = 0, bad = 0;
  static const char body[] =
      "{\"delivery_id\":\"7c9e6679-7425-40de-944b-e07fc1f90ae7\",\"idempotency_key\":"
      "\"7c9e6679-7425-40de-944b-e07fc1f90ae7-0\",\"channel\":\"push\",\"to\":{\"token\":"
      "\"token-123456\"},\"content\":{\"title\":\"Hello\",\"body\":\"Hello User 123456, from "
      "Hangzhou\"},\"user\":{\"id\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"external_id\":"
      "\"u-123456\"},\"plan\":\"plan\",\"step\":\"hello\"}";
  struct curl_slist *headers = NULL;
  headers = curl_slist_append(headers, "Content-Type: application/json");
  headers = curl_slist_append(headers, "webhook-id: 7c9e6679-7425-40de-944b-e07fc1f90ae7-0");
  headers = curl_slist_append(headers, "webhook-timestamp: 1700000000");
  headers = curl_slist_append(
      headers, "webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM *multi = curl_multi_init();
  CURL *handles[1024];
  if (flight < 1 || flight > 1024) return 2;
  double start = now();
  for (long i = 0; i < flight; i++) {
    CURL *h = handles[i] = curl_easy_init();
    curl_easy_setopt(h, CURLOPT_URL, argv[1]);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    if (begun < total) {
      curl_multi_add_handle(multi, h);
      begun++;
    }
  }
  while (done < total) {
    int running, left;
    curl_multi_perform(multi, &running);
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left))) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL *h = message->easy_handle;
      long status = 0;
      curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
      if (message->data.result != CURLE_OK || status != 200) bad++;
      done++;
      curl_multi_remove_handle(multi, h);
      if (begun < total) {
        curl_multi_add_handle(multi, h);
        begun++;
      }
    }
    if (done < total) curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  printf("%.1f %ld\n", total / (now() - start), bad);
  return bad ? 1 : 0;
}

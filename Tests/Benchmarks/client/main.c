// The command line.
//
//   client MODE --url URL --body FILE --key KEY [--answer WISH] [--connections N] [--streams N] [--requests N]
//          [--rate N] [--at-once N] [--resume] [--abort-after N] [--sources N]
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

options asked = {.connections = 1, .requests = 1, .rate = 1, .at_once = 1};

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("client: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static void read_url(const char *url) {
  char scheme[8];
  if (sscanf(url, "%7[a-z]://%63[^:/]:%d%255s", scheme, asked.host, &asked.port, asked.path) != 4)
    fail("not a URL with scheme, address, port and path: %s", url);
  asked.is_tls = strcmp(scheme, "https") == 0;
  snprintf(asked.authority, sizeof asked.authority, "%s:%d", asked.host, asked.port);
}

static void read_body(const char *path) {
  static char bytes[65536];
  FILE *file = fopen(path, "r");
  if (file == NULL) fail("cannot read %s", path);
  asked.body = bytes;
  asked.body_length = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
}

static void read_options(int count, char **arguments) {
  enum { URL, BODY, KEY, ANSWER, CONNECTIONS, STREAMS, REQUESTS, RATE, AT_ONCE, ABORT_AFTER, SOURCES, RESUME };
  static const struct option known[] = {{"url", 1, NULL, URL},
                                        {"body", 1, NULL, BODY},
                                        {"key", 1, NULL, KEY},
                                        {"answer", 1, NULL, ANSWER},
                                        {"streams", 1, NULL, STREAMS},
                                        {"connections", 1, NULL, CONNECTIONS},
                                        {"requests", 1, NULL, REQUESTS},
                                        {"rate", 1, NULL, RATE},
                                        {"at-once", 1, NULL, AT_ONCE},
                                        {"abort-after", 1, NULL, ABORT_AFTER},
                                        {"sources", 1, NULL, SOURCES},
                                        {"resume", 0, NULL, RESUME},
                                        {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
    switch (option) {
      case URL: read_url(optarg); break;
      case BODY: read_body(optarg); break;
      case KEY: asked.key = optarg; break;
      case ANSWER: asked.answer = optarg; break;
      case CONNECTIONS: asked.connections = atoi(optarg); break;
      case STREAMS: asked.streams = atoi(optarg); break;
      case REQUESTS: asked.requests = atoi(optarg); break;
      case RATE: asked.rate = atoi(optarg); break;
      case AT_ONCE: asked.at_once = atoi(optarg); break;
      case ABORT_AFTER: asked.abort_after = atoi(optarg); break;
      case SOURCES: asked.sources = atoi(optarg); break;
      case RESUME: asked.resume = true; break;
      default: exit(64);
    }
  }
  if (asked.port == 0 || asked.body == NULL || asked.key == NULL) fail("--url, --body and --key are needed");
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    int (*run)(void);
  } modes[] = {{"connect", run_connect}, {"events", run_events}, {"hold", run_hold}, {"paced", run_paced}};
  if (count < 2) fail("usage: client connect|events|hold|paced --url URL --body FILE --key KEY ...");
  read_options(count - 1, arguments + 1);
  for (size_t index = 0; index < sizeof modes / sizeof modes[0]; index++)
    if (strcmp(modes[index].name, arguments[1]) == 0) return modes[index].run();
  fail("no such mode: %s", arguments[1]);
}

#define _GNU_SOURCE
#include "CLinux.h"

int strait_accept(int listener, struct sockaddr_storage *address) {
  socklen_t length = sizeof(*address);
  return accept4(listener, (struct sockaddr *)address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

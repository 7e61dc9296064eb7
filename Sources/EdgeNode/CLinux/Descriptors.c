// Descriptors from one process to another, over a socket with a name that is no file.
#define _GNU_SOURCE
#include "CLinux.h"

#include <stdio.h>
#include <sys/un.h>

enum { MOST_DESCRIPTORS = 253 };

typedef union {
  char bytes[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
  struct cmsghdr alignment;
} control_space;

int strait_named_socket(const char *name, int listens) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  // The first byte stays 0, which makes the name one of the network namespace's and not of the file system's.
  int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
  if (length < 0 || (size_t)length >= sizeof(address.sun_path) - 1) return -1;
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
  int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (listens ? SOCK_NONBLOCK : 0), 0);
  if (made < 0) return -1;
  int failed = listens ? bind(made, (struct sockaddr *)&address, size) != 0 || listen(made, 4) != 0
                       : connect(made, (struct sockaddr *)&address, size) != 0;
  if (!failed) return made;
  close(made);
  return -1;
}

int strait_peer_is_this_user(int descriptor) {
  struct ucred peer;
  socklen_t size = sizeof(peer);
  return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

int strait_send_descriptors(int socket, const int *descriptors, int count) {
  if (count <= 0 || count > MOST_DESCRIPTORS) return -1;
  control_space control;
  memset(&control, 0, sizeof(control));
  char byte = 0;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes};
  message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
  memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int strait_receive_descriptors(int socket, int *descriptors, int capacity) {
  control_space control;
  char byte;
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
  // Whoever holds the name may be stuck; a start must not be.
  struct timeval patience = {2, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return -1;
  int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  for (int index = 0; index < count; index += 1) {
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(header) + sizeof(int) * (size_t)index, sizeof(int));
    if (index < capacity) {
      descriptors[index] = descriptor;
    } else {
      close(descriptor);
    }
  }
  return count < capacity ? count : capacity;
}

int strait_listens_on(int descriptor, const struct sockaddr *address, socklen_t length) {
  struct sockaddr_storage own;
  socklen_t own_length = sizeof(own);
  int listens = 0;
  socklen_t size = sizeof(listens);
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
         getsockname(descriptor, (struct sockaddr *)&own, &own_length) == 0 && own_length == length &&
         memcmp(&own, address, length) == 0;
}

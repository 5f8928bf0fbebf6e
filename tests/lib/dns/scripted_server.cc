#include "tests/lib/dns/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "lib/base/text.h"
#include "tests/testing/process.h"

namespace dmarcate {
namespace {

UniqueFd Listen(std::string_view address, uint16_t port, int type) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(port);
  inet_pton(AF_INET, std::string(address).c_str(), &local.sin_addr);
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0 ||
      (type == SOCK_STREAM && listen(fd.get(), 8) != 0)) {
    std::perror("scripted server");
    std::abort();
  }
  return fd;
}

void Append16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xFF);
}

void Append32(std::string& out, uint32_t value) {
  Append16(out, value >> 16);
  Append16(out, value & 0xFFFF);
}

size_t QuestionEnd(std::string_view query) {
  size_t at = 12;
  while (query[at] != '\0') at += 1U + static_cast<unsigned char>(query[at]);
  return at + 5;
}

void AppendRr(std::string& out, const RawRr& rr) {
  out += rr.owner.empty() ? std::string("\xC0\x0C") : WireName(rr.owner);
  Append16(out, static_cast<unsigned>(rr.type));
  Append16(out, 1);
  Append32(out, rr.ttl_seconds);
  Append16(out, static_cast<unsigned>(rr.rdata.size()));
  out += rr.rdata;
}

}  // namespace

ScriptedServer::ScriptedServer(Handler handler, std::string_view address, uint16_t port,
                               Listens listens)
    : handler_(std::move(handler)),
      address_{*IpAddress::Parse(address), port != 0 ? port : testing_support::FreePort()},
      udp_(Listen(address, address_.port, SOCK_DGRAM)),
      other_(Listen(address, 0, SOCK_DGRAM)),
      tcp_(listens == Listens::kBoth ? Listen(address, address_.port, SOCK_STREAM) : UniqueFd()),
      stop_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

ScriptedServer::~ScriptedServer() {
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
}

void ScriptedServer::Run() {
  while (true) {
    pollfd fds[] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[2].revents != 0) return;
    if (fds[0].revents != 0) ServeUdp();
    if (fds[1].revents != 0) ServeTcp();
  }
}

void ScriptedServer::ServeUdp() {
  char buffer[65536];
  sockaddr_in peer{};
  socklen_t size = sizeof peer;
  auto* const peer_address = reinterpret_cast<sockaddr*>(&peer);
  const ssize_t got = recvfrom(udp_.get(), buffer, sizeof buffer, 0, peer_address, &size);
  if (got < 0) return;
  ++udp_queries_;
  for (const ScriptedReply& reply : handler_({buffer, static_cast<size_t>(got)}, Protocol::kUdp)) {
    const int fd = reply.from == ScriptedReply::From::kServer ? udp_.get() : other_.get();
    sendto(fd, reply.message.data(), reply.message.size(), 0, peer_address, size);
  }
}

void ScriptedServer::ServeTcp() {
  const UniqueFd connection(accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const timeval limit{5, 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  unsigned char length[2];
  if (recv(connection.get(), length, 2, MSG_WAITALL) != 2) return;
  std::string query(size_t{length[0]} << 8 | length[1], '\0');
  if (recv(connection.get(), query.data(), query.size(), MSG_WAITALL) !=
      static_cast<ssize_t>(query.size())) {
    return;
  }
  ++tcp_queries_;
  for (const ScriptedReply& reply : handler_(query, Protocol::kTcp)) {
    std::string framed;
    Append16(framed, static_cast<unsigned>(reply.message.size()));
    framed += reply.message;
    send(connection.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
  }
}

std::string WireName(std::string_view name) {
  std::string out;
  if (!name.empty() && name != ".") {
    for (const std::string_view label : Split(name, '.')) {
      out += static_cast<char>(label.size());
      out += label;
    }
  }
  out += '\0';
  return out;
}

std::string TxtRdata(std::string_view text) {
  return static_cast<char>(text.size()) + std::string(text);
}

std::string SoaRdata(uint32_t serial, uint32_t minimum) {
  std::string out = WireName("ns1.example.test") + WireName("hostmaster.example.test");
  for (const uint32_t value : {serial, 3600U, 600U, 86400U, minimum}) Append32(out, value);
  return out;
}

std::string ReplyTo(std::string_view query, ReplyFlags flags, const std::vector<RawRr>& answers,
                    const std::vector<RawRr>& authority) {
  std::string out(query.substr(0, 2));
  const int octet2 = 0x80 | (flags.aa ? 4 : 0) | (flags.tc ? 2 : 0) | (query[2] & 0x79);
  out += static_cast<char>(octet2);
  out += static_cast<char>((flags.ra ? 0x80 : 0) | (flags.ad ? 0x20 : 0) | flags.rcode);
  Append16(out, 1);
  Append16(out, static_cast<unsigned>(answers.size()));
  Append16(out, static_cast<unsigned>(authority.size()));
  Append16(out, 0);
  out += query.substr(12, QuestionEnd(query) - 12);
  for (const RawRr& rr : answers) AppendRr(out, rr);
  for (const RawRr& rr : authority) AppendRr(out, rr);
  return out;
}

std::string QuestionName(std::string_view query) {
  std::string out;
  for (size_t at = 12; query[at] != '\0';) {
    const size_t size = static_cast<unsigned char>(query[at]);
    if (!out.empty()) out += '.';
    out += query.substr(at + 1, size);
    at += 1 + size;
  }
  return out;
}

bool HasCd(std::string_view query) { return (query[3] & 0x10) != 0; }
bool HasEdns(std::string_view query) { return query[11] == '\1'; }

}  // namespace dmarcate

// tests/lib/dns/scripted_server.h
// A DNS server that says what a test tells it to say, forgeries included, over UDP and TCP.

#ifndef DMARCATE_TESTS_LIB_DNS_SCRIPTED_SERVER_H_
#define DMARCATE_TESTS_LIB_DNS_SCRIPTED_SERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lib/base/file.h"
#include "lib/dns/config.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

struct ScriptedReply {
  enum class From { kServer, kOtherPort };
  std::string message;
  From from = From::kServer;  // kOtherPort: UDP only
};

// Listens on `address` at a free port (or the one given) until it goes. The handler runs on the
// server's own thread, one query at a time; no replies is silence.
class ScriptedServer {
 public:
  enum class Protocol { kUdp, kTcp };
  enum class Listens { kBoth, kUdpOnly };  // kUdpOnly: TCP is refused
  using Handler =
      std::function<std::vector<ScriptedReply>(std::string_view query, Protocol protocol)>;
  explicit ScriptedServer(Handler handler, std::string_view address = "127.0.0.1",
                          uint16_t port = 0, Listens listens = Listens::kBoth);
  ~ScriptedServer();
  const ServerAddress& address() const { return address_; }
  std::string server() const { return address_.ToString(); }
  int udp_queries() const { return udp_queries_; }
  int tcp_queries() const { return tcp_queries_; }

 private:
  void Run();
  void ServeUdp();
  void ServeTcp();
  Handler handler_;
  ServerAddress address_;
  UniqueFd udp_;
  UniqueFd other_;  // a socket at another port, for what comes from elsewhere
  UniqueFd tcp_;    // not valid: refused
  UniqueFd stop_;
  std::atomic<int> udp_queries_ = 0;
  std::atomic<int> tcp_queries_ = 0;
  std::thread thread_;
};

// Messages by hand, so that nothing under test makes the expectation.
struct ReplyFlags {
  bool aa = false;
  bool tc = false;
  bool ra = true;
  bool ad = false;
  int rcode = 0;
};
struct RawRr {
  std::string owner;  // "example.test"; empty: the question's name
  RrType type = RrType::kTxt;
  std::string rdata;
  uint32_t ttl_seconds = 300;
};
std::string WireName(std::string_view name);
std::string TxtRdata(std::string_view text);  // one string
std::string SoaRdata(uint32_t serial, uint32_t minimum);
std::string ReplyTo(std::string_view query, ReplyFlags flags, const std::vector<RawRr>& answers,
                    const std::vector<RawRr>& authority = {});
// "_dmarc.example.test" of the question.
std::string QuestionName(std::string_view query);
bool HasCd(std::string_view query);
bool HasEdns(std::string_view query);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_DNS_SCRIPTED_SERVER_H_

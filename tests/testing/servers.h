// tests/testing/servers.h
// Real DNS servers on loopback, as Debian ships them: unprivileged, on free high ports, in a
// temporary directory, gone with the test. Start() returns once the server answers for every zone.
//
//   DMARCATE_ASSERT_OK_AND_ASSIGN(auto bind, RealBind::Start({MakeZone("example.test",
//       "_dmarc TXT \"v=DMARC1; p=none\"\n")}));
//   DnsConfig config;
//   config.stubs = {{Name("example.test"), {bind->server()}}};
//
// Start them from the main thread of the test (see Process).

#ifndef DMARCATE_TESTS_TESTING_SERVERS_H_
#define DMARCATE_TESTS_TESTING_SERVERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::testing_support {

enum class Denial { kNsec, kNsec3 };

// How SignZone signed a zone, for PowerDNS, which signs for itself.
struct ZoneSigner {
  std::string unsigned_text;
  std::string private_key;  // as BIND's tools write it
  Denial denial = Denial::kNsec;
};

struct TestZone {
  std::string name;  // "example.test"
  std::string
      text;  // the whole zone in master file format; signatures in it are served as they are
  std::optional<ZoneSigner> signer = std::nullopt;
  // Not, if the server cannot use the text, and says SERVFAIL: then Start() does not wait for it.
  bool loads = true;
  // BIND and Knot: the key may change the TXT records at the zone itself and at _dmarc, nothing
  // else.
  bool confined = false;
};
// A zone with SOA (serial 1, negative TTL 60), NS ns1, A of ns1 (127.0.0.1), $TTL 300 and `records`
// below it: lines with names relative to the zone.
TestZone MakeZone(std::string_view name, std::string_view records);

// A TSIG key as configuration files hold it.
struct TestTsigKey {
  std::string name = "upd";
  std::string algorithm = "hmac-sha256";
  std::string secret_base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
};

// Where a server listens. Several servers of one zone share a port, each on an address of its own.
struct Listen {
  std::string address = "127.0.0.1";
  uint16_t port = 0;     // 0: a free one
  uint16_t port_v6 = 0;  // on ::1 too, at this port; 0: on IPv4 only
};
// Whether this machine has ::1.
bool HasLoopbackV6();

// What all of them have.
class RealServer {
 public:
  virtual ~RealServer() = default;
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;

  std::string server() const;     // "127.0.0.1:21234"
  std::string server_v6() const;  // "[::1]:21235", or empty
  uint16_t port() const { return listen_.port; }
  std::string log() const;  // all it printed so far
  // Down, as after a crash of the machine (SIGKILL), and up again with its data on the same port.
  void Kill() { process_->Kill(); }
  void Stop() { process_->Stop(); }
  absl::Status Restart();
  // Silent, as behind a broken network: requests get no answer until Resume().
  void Pause();
  void Resume();

 protected:
  explicit RealServer(Listen listen);
  // Starts `argv` and waits until each of `zones` has a SOA (or any answer at all for "").
  absl::Status Launch(std::vector<std::string> argv, std::vector<std::string> zones);
  absl::Status WaitReady();
  const TempDir& directory() const { return directory_; }
  const Listen& listen() const { return listen_; }

 private:
  TempDir directory_;
  Listen listen_;
  ProcessOptions options_;
  std::vector<std::string> zones_;
  std::optional<Process> process_;
};

// BIND 9; every zone may be updated with tsig_key() and transferred.
class RealBind : public RealServer {
 public:
  explicit RealBind(Listen listen = {}) : RealServer(std::move(listen)) {}
  static absl::StatusOr<std::unique_ptr<RealBind>> Start(const std::vector<TestZone>& zones,
                                                         TestTsigKey key = {}, Listen listen = {});
  const TestTsigKey& tsig_key() const { return key_; }

 private:
  TestTsigKey key_;
};

// Knot DNS; zones are signed (ECDSA P-256, one key) unless told otherwise, and updated with
// tsig_key().
class RealKnot : public RealServer {
 public:
  explicit RealKnot(Listen listen = {}) : RealServer(std::move(listen)) {}
  enum class Signing { kSigned, kUnsigned };
  static absl::StatusOr<std::unique_ptr<RealKnot>> Start(const std::vector<TestZone>& zones,
                                                         Signing signing = Signing::kSigned,
                                                         TestTsigKey key = {}, Listen listen = {});
  const TestTsigKey& tsig_key() const { return key_; }
  // The DNSKEY RRset of a signed zone, as Unbound takes it.
  absl::StatusOr<std::string> TrustAnchor(std::string_view zone) const;

 private:
  TestTsigKey key_;
};

// PowerDNS with SQLite: HTTP API, and UPDATE with tsig_key() in every zone that is not signed.
class RealPowerDns : public RealServer {
 public:
  explicit RealPowerDns(Listen listen = {}) : RealServer(std::move(listen)) {}
  static absl::StatusOr<std::unique_ptr<RealPowerDns>> Start(const std::vector<TestZone>& zones,
                                                             TestTsigKey key = {},
                                                             Listen listen = {});
  const TestTsigKey& tsig_key() const { return key_; }
  std::string api_url() const;  // "http://127.0.0.1:21235", without /api/v1
  const std::string& api_key() const { return api_key_; }
  // Also while it runs.
  absl::Status AddZone(const TestZone& zone);

 private:
  absl::Status Sign(const TestZone& zone);
  absl::Status Sql(std::string command);
  absl::Status Pdnsutil(std::vector<std::string> arguments);
  TestTsigKey key_;
  std::string api_key_ = "test-key";
  uint16_t api_port_ = FreePort();
};

// Unbound, validating, without the internet: knows its stubs and refuses everything else.
class RealUnbound : public RealServer {
 public:
  explicit RealUnbound(Listen listen = {}) : RealServer(std::move(listen)) {}
  struct Stub {
    std::string zone;
    std::string server;  // "127.0.0.1:21234"
    // DNSKEY or DS records. Empty: validated if a signed zone above says so.
    std::string trust_anchor;
  };
  // `more`: further lines of the server clause.
  static absl::StatusOr<std::unique_ptr<RealUnbound>> Start(const std::vector<Stub>& stubs,
                                                            Listen listen = {},
                                                            std::string_view more = "");
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_SERVERS_H_

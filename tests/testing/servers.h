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
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::testing_support {

struct TestZone {
  std::string name;  // "example.test"
  std::string text;  // the whole zone in master file format
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

// What all of them have.
class RealServer {
 public:
  virtual ~RealServer() = default;
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;

  std::string server() const;  // "127.0.0.1:21234"
  uint16_t port() const { return port_; }
  std::string log() const;  // all it printed so far
  // Down, as after a crash of the machine (SIGKILL), and up again with its data on the same port.
  void Kill() { process_->Kill(); }
  void Stop() { process_->Stop(); }
  absl::Status Restart();
  // Silent, as behind a broken network: requests get no answer until Resume().
  void Pause();
  void Resume();

 protected:
  RealServer();
  // Starts `argv` and waits until each of `zones` has a SOA (or any answer at all for "").
  absl::Status Launch(std::vector<std::string> argv, std::vector<std::string> zones);
  absl::Status WaitReady();
  const TempDir& directory() const { return directory_; }

 private:
  TempDir directory_;
  uint16_t port_;
  ProcessOptions options_;
  std::vector<std::string> zones_;
  std::optional<Process> process_;
};

// BIND 9; every zone may be updated with tsig_key() and transferred.
class RealBind : public RealServer {
 public:
  static absl::StatusOr<std::unique_ptr<RealBind>> Start(const std::vector<TestZone>& zones,
                                                         TestTsigKey key = {});
  const TestTsigKey& tsig_key() const { return key_; }

 private:
  TestTsigKey key_;
};

// Knot DNS; zones are signed (ECDSA P-256, one key) unless told otherwise, and updated with
// tsig_key().
class RealKnot : public RealServer {
 public:
  enum class Signing { kSigned, kUnsigned };
  static absl::StatusOr<std::unique_ptr<RealKnot>> Start(const std::vector<TestZone>& zones,
                                                         Signing signing = Signing::kSigned,
                                                         TestTsigKey key = {});
  const TestTsigKey& tsig_key() const { return key_; }
  // The DNSKEY RRset of a signed zone, as Unbound takes it.
  absl::StatusOr<std::string> TrustAnchor(std::string_view zone) const;

 private:
  TestTsigKey key_;
};

// PowerDNS with SQLite: HTTP API, and UPDATE with tsig_key() in every zone.
class RealPowerDns : public RealServer {
 public:
  static absl::StatusOr<std::unique_ptr<RealPowerDns>> Start(const std::vector<TestZone>& zones,
                                                             TestTsigKey key = {});
  const TestTsigKey& tsig_key() const { return key_; }
  std::string api_url() const;  // "http://127.0.0.1:21235", without /api/v1
  const std::string& api_key() const { return api_key_; }
  // Also while it runs.
  absl::Status AddZone(const TestZone& zone);

 private:
  absl::Status Pdnsutil(std::vector<std::string> arguments);
  TestTsigKey key_;
  std::string api_key_ = "test-key";
  uint16_t api_port_ = FreePort();
};

// Unbound, validating, without the internet: knows its stubs and refuses everything else.
class RealUnbound : public RealServer {
 public:
  struct Stub {
    std::string zone;
    std::string server;        // "127.0.0.1:21234"
    std::string trust_anchor;  // DNSKEY or DS records; empty: not validated
  };
  static absl::StatusOr<std::unique_ptr<RealUnbound>> Start(const std::vector<Stub>& stubs);
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_SERVERS_H_

// tests/lib/inbound/sts_server.h
// A web server with the MTA-STS policy of example.com (RFC 8461 section 3.3): `openssl s_server` on
// loopback, whose certificate for mta-sts.example.com is of an authority of its own.

#ifndef DMARCATE_TESTS_LIB_INBOUND_STS_SERVER_H_
#define DMARCATE_TESTS_LIB_INBOUND_STS_SERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::inbound_testing {

class StsServer {
 public:
  // Answers when it returns. It ends with the object.
  static absl::StatusOr<std::unique_ptr<StsServer>> Start(std::string_view policy);

  void Serve(std::string_view policy);  // from the next request on
  uint16_t port() const { return port_; }
  const std::string& ca_file() const { return ca_file_; }  // its authority, PEM

 private:
  StsServer() = default;

  testing_support::TempDir directory_;
  std::string ca_file_;
  uint16_t port_ = 0;
  std::optional<testing_support::Process> process_;
};

}  // namespace dmarcate::inbound_testing

#endif  // DMARCATE_TESTS_LIB_INBOUND_STS_SERVER_H_

// tests/testing/dovecot.h
// A real Dovecot on loopback, as Debian ships it: unprivileged, with TLS, its users in a file and
// its mail in a temporary directory, gone with the test. Start it from the main thread of the test
// (see Process).

#ifndef DMARCATE_TESTS_TESTING_DOVECOT_H_
#define DMARCATE_TESTS_TESTING_DOVECOT_H_

#include <cstddef>
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

class RealDovecot {
 public:
  static constexpr char kUser[] = "reports@example.test", kPassword[] = "it is a 'secret' \"& more";
  // Returns once it greets.
  static absl::StatusOr<std::unique_ptr<RealDovecot>> Start();

  uint16_t imap_port() const { return imap_port_; }    // plain, with STARTTLS
  uint16_t imaps_port() const { return imaps_port_; }  // TLS at once
  // Of the certificate for 127.0.0.1 and localhost, PEM.
  std::string certificate_file() const { return directory_.File("cert.pem"); }
  std::string log() const;

  // As a mail server does. `folder`: "" is INBOX, else a Maildir++ name: ".Reports", made if
  // missing.
  void Deliver(std::string_view folder, std::string_view name, std::string_view content);
  void MakeFolder(std::string_view folder);
  std::string Maildir(std::string_view folder) const;  // its path
  // Flags of the messages in a folder, "S" or "" each, new ones included.
  std::vector<std::string> Flags(std::string_view folder) const;

 private:
  RealDovecot();

  TempDir directory_;
  uint16_t imap_port_, imaps_port_;
  std::optional<Process> process_;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_DOVECOT_H_

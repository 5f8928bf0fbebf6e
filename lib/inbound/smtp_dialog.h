// One session of a probe without its socket: octets of the server in, octets for it out. So that
// every cut of a stranger's stream can be tried without a network.

#ifndef DMARCATE_LIB_INBOUND_SMTP_DIALOG_H_
#define DMARCATE_LIB_INBOUND_SMTP_DIALOG_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "lib/inbound/smtp_probe.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// Not thread-safe.
class SmtpDialog {
 public:
  // `own_name`: what EHLO says. Connected already: the greeting is awaited.
  SmtpDialog(const DomainName& host, std::string own_name);
  ~SmtpDialog();
  SmtpDialog(const SmtpDialog&) = delete;
  SmtpDialog& operator=(const SmtpDialog&) = delete;

  // What the server sent. Nothing is kept once done().
  void Receive(std::string_view octets);
  // The server closed the connection.
  void EndOfStream();
  // What is to be sent now; each octet once. May be more than nothing when done(): QUIT.
  std::string TakeOutput();
  bool done() const;
  // All that was learned; without the address, and with the stage and error as if the session ended
  // here.
  const SmtpProbe& probe() const;

 private:
  class Tls;
  void ReadLines();
  void OnReply(std::string_view code);
  void OnEhloLine(std::string_view line);
  void StartTls();
  void ReceiveTls(std::string_view octets);
  void Say(std::string_view command);
  void End(absl::Status error);

  const DomainName host_;
  const std::string own_name_;
  SmtpProbe probe_;
  bool done_ = false;
  std::string input_;   // of the current line
  std::string output_;  // for the socket
  size_t lines_ = 0;    // of the current reply
  size_t received_ = 0;
  bool starttls_line_ = false;
  bool tls_begun_ = false;  // an octet of the server's handshake has come
  std::unique_ptr<Tls> tls_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_SMTP_DIALOG_H_

//! Fixed texts of the front.

/// A GET on the address of EWS.
pub(super) const SERVICE: &str = "<html><head><title>ExchangeService</title></head><body>\
    <p>You have created a service.</p></body></html>";

/// `ErrorExceededConnectionCount`, which suggests 0 ms as Exchange does.
pub(super) const TOO_MANY: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
    <faultcode xmlns:a=\"http://schemas.microsoft.com/exchange/services/2006/types\">\
    a:ErrorExceededConnectionCount</faultcode><faultstring xml:lang=\"en-US\">\
    Too many requests of this mailbox run at once.</faultstring><detail>\
    <e:ResponseCode xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">\
    ErrorExceededConnectionCount</e:ResponseCode>\
    <e:Message xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">\
    Too many requests of this mailbox run at once.</e:Message>\
    <t:MessageXml xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\">\
    <t:Value Name=\"BackOffMilliseconds\">0</t:Value></t:MessageXml>\
    </detail></s:Fault></s:Body></s:Envelope>";

/// A description that names the operations nowhere, only the address.
pub(super) fn wsdl(origin: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <wsdl:definitions xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" \
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" \
         targetNamespace=\"http://schemas.microsoft.com/exchange/services/2006/messages\">\
         <wsdl:service name=\"ExchangeService\"><wsdl:port name=\"ExchangePort\">\
         <soap:address location=\"{origin}/EWS/Exchange.asmx\"/>\
         </wsdl:port></wsdl:service></wsdl:definitions>"
    )
}

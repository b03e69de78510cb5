Feature: What an order must look like
  An order is a JSON object with an `id` (1 to 64 of A-Z a-z 0-9 _ -) and a
  `value` (an exact decimal of at most 28 digits). What is not valid is refused
  before anything is done with it, and the client is told what is wrong where.

  Scenario Outline: An id or a value that is not valid is named
    Given a service
    And clients that speak <protocol>
    When the client submits an order whose id is <id> and whose value is <value>
    Then the client is told that the order is not valid
    And the field named is <field>
    And the reason given is: <reason>
    And in the end the service has counted 0 accepted and 1 refused as invalid

    Examples: The id
      | protocol | id    | value | field | reason                                              |
      | HTTP | ""    | 1     | id    | is empty, 1 to 64 characters are allowed            |
      | HTTP | "a b" | 1     | id    | has ' ' at byte 1, only A-Z a-z 0-9 _ - are allowed |
      | HTTP | "zoë" | 1     | id    | has 'ë' at byte 2                                   |
      | gRPC | ""    | 1     | id    | is empty, 1 to 64 characters are allowed            |
      | gRPC | "a b" | 1     | id    | has ' ' at byte 1, only A-Z a-z 0-9 _ - are allowed |
      | gRPC | "zoë" | 1     | id    | has 'ë' at byte 2                                   |

    Examples: An id of 65 characters
      | protocol | id                                                                  | value | field | reason                                    |
      | HTTP | "0123456789-0123456789-0123456789-0123456789-0123456789-0123456789" | 1     | id    | has 65 characters, 64 at most are allowed |
      | gRPC | "0123456789-0123456789-0123456789-0123456789-0123456789-0123456789" | 1     | id    | has 65 characters, 64 at most are allowed |

    Examples: The value
      | protocol | id  | value                         | field | reason                                    |
      | HTTP | "a" | "1,5"                         | value | is not a decimal number as JSON writes it |
      | HTTP | "a" | "NaN"                         | value | is not a decimal number as JSON writes it |
      | HTTP | "a" | ""                            | value | is not a decimal number as JSON writes it |
      | HTTP | "a" | "+1"                          | value | is not a decimal number as JSON writes it |
      | HTTP | "a" | 12345678901234567890123456789 | value | needs more than 28 digits                 |
      | HTTP | "a" | 1e29                          | value | needs more than 28 digits                 |
      | gRPC | "a" | "1,5"                         | value | is not a decimal number as JSON writes it |
      | gRPC | "a" | "NaN"                         | value | is not a decimal number as JSON writes it |
      | gRPC | "a" | ""                            | value | is not a decimal number as JSON writes it |
      | gRPC | "a" | "+1"                          | value | is not a decimal number as JSON writes it |
      | gRPC | "a" | 12345678901234567890123456789 | value | needs more than 28 digits                 |
      | gRPC | "a" | 1e29                          | value | needs more than 28 digits                 |

  Scenario Outline: Text that is no order
    Given a service
    When the client sends <text>
    Then the client is told that the order is not valid
    And the field named is <field>
    And the reason given is: <reason>
    And sending the same order again is of no use
    And in the end the service has counted 0 accepted and 1 refused as invalid

    Examples: A member is missing or of the wrong kind
      | text                    | field | reason                           |
      | {"value":1}             | id    | the member "id" is missing       |
      | {"id":"a"}              | value | the member "value" is missing    |
      | {"id":7,"value":1}      | id    | the member "id" must be a string |
      | {"id":"a","value":null} | value | the member "value" must be       |

    Examples: A member stands there twice
      | text                                   | field | reason                        |
      | {"id":"a","id":"b","value":1}          | id    | duplicate member name "id"    |
      | {"id":"a","value":1,"v\\u0061lue":2}   | value | duplicate member name "value" |
      | {"id":"a","value":1,"x":{"y":1,"y":2}} | none  | duplicate member name "y"     |

    Examples: It is not JSON, or not an object
      | text                               | field | reason                 |
      | {"id":"a","value":1                | none  | invalid JSON           |
      | {"id":"a","value":01}              | none  | invalid JSON           |
      | {"id":"a","value":1} and more      | none  | invalid JSON           |
      | {"id":"a","value":1,"x":"\\ud800"} | none  | half a surrogate pair  |
      | [{"id":"a","value":1}]             | none  | expected a JSON object |
      | "ord-001"                          | none  | expected a JSON object |

  Scenario: An order nested too deeply
    Given a service
    When the client sends an order nested 33 levels deep
    Then the client is told that the order is not valid
    And the reason given is: nested deeper than 32
    When the client sends an order nested 32 levels deep
    Then the client is told that the order is processed

  Scenario: Nothing at all
    Given a service
    When the client sends nothing
    Then the client is told that the order is not valid
    And the reason given is: the body is empty

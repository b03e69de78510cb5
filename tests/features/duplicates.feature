Feature: The same order again, and another order under the same id
  A client that is not sure whether its order came through sends it again. An id
  has one outcome, and whoever sends the same order again is told that one.

  Rule: The same order again has the same outcome

    Scenario Outline: Again after it was processed
      Given a service
      And clients that speak <protocol>
      And order "ord-001" is processed
      When the client submits order "ord-001" worth 1 again
      Then the client is told again that the order is processed, with sequence 1
      And the status is <status>
      And in the end the service has counted 1 accepted, 1 processed and 1 duplicate

      Examples:
        | protocol | status |
        | HTTP | 200    |
        | gRPC | OK     |

    Scenario Outline: Again after it failed
      Given a service
      And clients that speak <protocol>
      When the client submits order "ord-001" worth -1
      Then the client is told that the order failed, with sequence 1
      When the client submits order "ord-001" worth -1 again
      Then the client is told again that the order failed, with sequence 1, because "value must be above zero"
      And in the end the service has counted 1 accepted, 1 failed and 1 duplicate

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: Again while it is on its way: both clients are told the one outcome
      Given a service
      And its only worker takes 300ms for an order
      And clients that speak <protocol>
      And a client waits for the outcome of order "ord-001" worth 1
      When another client submits order "ord-001" worth 1
      Then the client is told again that the order is processed, with sequence 1
      And the client that waits for "ord-001" is told that the order is processed, with sequence 1
      And in the end the service has counted 1 accepted, 1 processed and 1 duplicate

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: The same value in another spelling is the same order
      Given a service
      And clients that speak <protocol>
      When the client submits order "ord-001" worth <value>
      And the client submits order "ord-001" worth <spelling> again
      Then the client is told again that the order is processed, with sequence 1

      Examples:
        | protocol | value | spelling |
        | HTTP | 100.5 | 100.50   |
        | HTTP | 100.5 | "100.50" |
        | HTTP | 100.5 | 1.005e2  |
        | HTTP | 100   | 1E+2     |
        | HTTP | 0.1   | 1e-1     |
        | gRPC | 100.5 | 100.50   |
        | gRPC | 100.5 | "100.50" |
        | gRPC | 100.5 | 1.005e2  |
        | gRPC | 100   | 1E+2     |
        | gRPC | 0.1   | 1e-1     |

    Scenario Outline: The other members in another order, and spaces between them, are the same order
      Given a service
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1 with {"side":"buy","legs":[1.10,2]}
      And the client submits order "ord-001" worth 1 again with { "legs": [1.10, 2], "side": "buy" }
      Then the client is told again that the order is processed, with sequence 1

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: An id belongs to the first order that came with it

    Scenario Outline: Another order under the id of a processed one is refused for good
      Given a service
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1 with {"side":"buy","price":1.10}
      And another client submits order "ord-001" worth <value> with <members>
      Then the client is told that the id belongs to another order
      And sending the same order again is of no use
      And in the end the service has counted 1 accepted, 1 processed and 1 refused as conflict

      Examples:
        | protocol | value | members                               |
        | HTTP | 2     | {"side":"buy","price":1.10}           |
        | HTTP | 1     | {"side":"sell","price":1.10}          |
        | HTTP | 1     | {"side":"buy"}                        |
        | HTTP | 1     | {"side":"buy","price":1.10,"note":""} |
        | HTTP | 1     | {"side":"buy","price":1.1}            |
        | gRPC | 2     | {"side":"buy","price":1.10}           |
        | gRPC | 1     | {"side":"sell","price":1.10}          |
        | gRPC | 1     | {"side":"buy"}                        |
        | gRPC | 1     | {"side":"buy","price":1.10,"note":""} |
        | gRPC | 1     | {"side":"buy","price":1.1}            |

    Scenario Outline: While the first is on its way, it may still come to nothing, and the other may try again
      Given a service
      And its only worker never gets done with an order
      And clients that speak <protocol>
      And a client waits for the outcome of order "ord-001" worth 1
      When another client submits order "ord-001" worth 2
      Then the client is told that the id belongs to another order
      And sending the same order again is safe
      And in the meantime the service has counted 1 accepted and 1 refused as conflict

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: Ids are remembered for as many outcomes as the window holds

    Scenario Outline: An id that fell out of the window is free again
      Given a service
      And it knows the last 2 outcomes
      And clients that speak <protocol>
      And orders "a", "b" and "c" are processed
      Then order "a" is not known
      When the client submits order "c" worth 1 again
      Then the client is told again that the order is processed, with sequence 3
      When the client submits order "a" worth 1
      Then the client is told that the order is processed, with sequence 4

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

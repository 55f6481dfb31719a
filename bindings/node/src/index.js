"use strict";

const { Balancer } = require("./balancer.js");
const { Client } = require("./client.js");
const { AhoyError } = require("./errors.js");
const { native } = require("./native.js");

/** The version of the loaded libahoy. */
function libraryVersion() {
  return native.ahoy_version();
}

module.exports = { AhoyError, Balancer, Client, libraryVersion };

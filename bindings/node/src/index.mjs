import ahoy from "./index.js";

export const { AhoyError, Balancer, Client, libraryVersion } = ahoy;
export default ahoy;
